use bytes::Bytes;

/// A stretch of one partition's records, encoded once for everybody who reads it the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedRecords {
    /// The offset that the stretch was read from; the first record may lie later.
    pub from: i64,
    /// The offset to read next.
    pub next: i64,
    /// The end of what was readable when it was read.
    pub high_watermark: i64,
    /// The first offset that the partition kept when it was read.
    pub log_start: i64,
    /// The messages, with the encoding's separator between them.
    pub content: Bytes,
    /// One per message, in order.
    pub marks: Box<[RecordMark]>,
}

/// Where a record lies in its stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordMark {
    /// Its offset.
    pub offset: i64,
    /// Where it starts in the content.
    pub start: u32,
    /// Where it ends in the content, separator left out.
    pub end: u32,
    /// What it weighs against credit: the bytes of key and value.
    pub weight: u32,
}

impl EncodedRecords {
    /// Which mark is the first at or after `offset`.
    #[must_use]
    pub fn index_of(&self, offset: i64) -> usize {
        self.marks.partition_point(|mark| mark.offset < offset)
    }

    /// The encoded messages from mark `first` up to, without, mark `last`.
    #[must_use]
    pub fn between(&self, first: usize, last: usize) -> &[u8] {
        let (Some(head), Some(tail)) =
            (self.marks.get(first), last.checked_sub(1).and_then(|at| self.marks.get(at)))
        else {
            return &[];
        };
        self.content.get(head.start as usize..tail.end as usize).unwrap_or_default()
    }

    /// Whether reading from `offset` can be served from here.
    #[must_use]
    pub fn covers(&self, offset: i64) -> bool {
        (self.from..self.next).contains(&offset)
    }

    /// Memory that it keeps.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.content.len() + self.marks.len() * size_of::<RecordMark>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_of_a_stretch_is_a_slice_of_it() {
        let mark = |offset, start, end| RecordMark { offset, start, end, weight: 1 };
        let records = EncodedRecords {
            from: 4,
            next: 9,
            high_watermark: 9,
            log_start: 0,
            content: Bytes::from_static(b"a,bb,c"),
            marks: [mark(5, 0, 1), mark(6, 2, 4), mark(8, 5, 6)].into(),
        };
        assert_eq!(records.between(0, 3), b"a,bb,c");
        assert_eq!(records.between(1, 2), b"bb");
        assert_eq!(records.between(2, 2), b"");
        assert_eq!(records.between(3, 9), b"");
        assert_eq!((records.index_of(4), records.index_of(7), records.index_of(9)), (0, 2, 3));
        assert!(records.covers(4) && records.covers(8) && !records.covers(9) && !records.covers(3));
    }
}
