use super::keys::{BEFORE_AND_AFTER, BYGONE, DIFFERENCE, FIXED, FORMAT_VERSION, KEYS, check_format_version};
use super::values::CleanupPolicy;
use super::{FixedKey, TopicConfig};
use crate::LogError;

/// What is to become of one setting (KIP-339's incremental changes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    /// It gets this value.
    Set(String),
    /// It gets the broker's value again, or the default.
    Unset,
    /// These are added to a list.
    Append(String),
    /// These are taken out of a list.
    Subtract(String),
}

impl TopicConfig {
    /// Reads settings given as text; what is not given has its default.
    pub fn parse<K: AsRef<str>, V: AsRef<str>>(
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Result<TopicConfig, LogError> {
        TopicConfig::default().with(settings)
    }

    /// The same on top of a broker's own settings.
    pub fn with<K: AsRef<str>, V: AsRef<str>>(
        self,
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Result<TopicConfig, LogError> {
        let config = self.restored(settings)?;
        config.check()?;
        Ok(config)
    }

    /// The same for settings that were accepted once: they may contradict what the broker has by now.
    pub(crate) fn restored<K: AsRef<str>, V: AsRef<str>>(
        mut self,
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Result<TopicConfig, LogError> {
        let mut settings: Vec<_> = settings.into_iter().collect();
        // What is set by its own name counts.
        settings.sort_by_key(|(name, _)| name.as_ref() != DIFFERENCE);
        for (name, value) in settings {
            self.set(name.as_ref(), value.as_ref())?;
        }
        Ok(self)
    }

    /// These settings as a broker's own: what its topics have unless they say otherwise.
    #[must_use]
    pub fn as_broker_defaults(mut self) -> TopicConfig {
        self.broker |= self.own;
        self.own = 0;
        self
    }

    /// Makes changes, all or none. `defaults` are the broker's own settings.
    pub fn change<'c>(
        &mut self,
        changes: impl IntoIterator<Item = (&'c str, &'c ConfigChange)>,
        defaults: &TopicConfig,
    ) -> Result<(), LogError> {
        let mut changed = *self;
        for (name, change) in changes {
            match change {
                ConfigChange::Set(value) => changed.set(name, value)?,
                ConfigChange::Unset => changed.unset(name, defaults)?,
                ConfigChange::Append(value) => changed.edit_list(name, value, true)?,
                ConfigChange::Subtract(value) => changed.edit_list(name, value, false)?,
            }
        }
        changed.check()?;
        *self = changed;
        Ok(())
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), LogError> {
        if let Some(at) = KEYS.iter().position(|key| key.name == name) {
            if let Err(why) = (KEYS[at].set)(self, value) {
                return refuse(format!("{name}={value:?} is not valid: {why}"));
            }
            self.own |= 1 << at;
            return Ok(());
        }
        if let Some(fixed) = fixed(name) {
            if fixed.value == value.trim() {
                return Ok(());
            }
            let (only, why) = (fixed.value, fixed.why);
            return refuse(format!("{name}={value:?} is not supported; {name} can only be {only:?}: {why}"));
        }
        match name {
            DIFFERENCE => BEFORE_AND_AFTER.iter().try_for_each(|both| self.set(both, value)),
            FORMAT_VERSION => check_format_version(value)
                .or_else(|why| refuse(format!("{name}={value:?} is not supported: {why}"))),
            _ => refuse(unknown(name)),
        }
    }

    fn unset(&mut self, name: &str, defaults: &TopicConfig) -> Result<(), LogError> {
        if fixed(name).is_some() || name == FORMAT_VERSION {
            return Ok(());
        }
        if name == DIFFERENCE {
            return BEFORE_AND_AFTER.iter().try_for_each(|both| self.unset(both, defaults));
        }
        let Some(at) = KEYS.iter().position(|key| key.name == name) else {
            return refuse(unknown(name));
        };
        if let Err(why) = (KEYS[at].set)(self, &(KEYS[at].get)(defaults)) {
            return refuse(format!("{name} has no valid default: {why}"));
        }
        self.own &= !(1 << at);
        Ok(())
    }

    fn edit_list(&mut self, name: &str, value: &str, add: bool) -> Result<(), LogError> {
        if name != "cleanup.policy" {
            return match KEYS.iter().any(|key| key.name == name) || fixed(name).is_some() {
                true => refuse(format!("{name} is not a list; set it as a whole")),
                false => refuse(unknown(name)),
            };
        }
        let edited = CleanupPolicy::parse(value).and_then(|listed| {
            self.cleanup.with(listed, add).ok_or_else(|| "at least one policy must be left".to_owned())
        });
        match edited {
            Ok(policy) => self.set(name, policy.as_str()),
            Err(why) => refuse(format!("{name}: {value:?} is not valid: {why}")),
        }
    }
}

fn fixed(name: &str) -> Option<&'static FixedKey> {
    FIXED.iter().chain(BYGONE).find(|fixed| fixed.name == name)
}

fn refuse<T>(why: String) -> Result<T, LogError> {
    Err(LogError::InvalidConfig(why))
}

fn unknown(name: &str) -> String {
    let known = KEYS.iter().map(|key| key.name).chain(FIXED.iter().map(|fixed| fixed.name));
    let nearest = known
        .map(|known| (strsim::normalized_damerau_levenshtein(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match nearest {
        Some((_, known)) => format!("there is no topic setting {name:?}; did you mean {known:?}?"),
        None => format!("there is no topic setting {name:?}"),
    }
}
