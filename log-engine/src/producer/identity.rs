use std::fmt;

/// A producer, as the broker numbered it. Never given twice, also not after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

impl fmt::Display for ProducerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Tells a producer from earlier incarnations of itself: the highest one counts, lower ones are fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerEpoch(pub i16);

impl ProducerEpoch {
    /// The next epoch; none when a new producer id is due. The last value is left for fencing, as in Kafka.
    #[must_use]
    pub fn next(self) -> Option<ProducerEpoch> {
        (self.0 < i16::MAX - 1).then(|| ProducerEpoch(self.0 + 1))
    }
}

impl fmt::Display for ProducerEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One incarnation of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Producer {
    /// Who.
    pub id: ProducerId,
    /// Which incarnation.
    pub epoch: ProducerEpoch,
}

impl fmt::Display for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (epoch {})", self.id, self.epoch)
    }
}
