use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::config::Layout;
use crate::page_buffer::PAGE;
use crate::segment::Segment;
use crate::segment_header::{JOURNAL_DIR, SegmentHeader, segment_number, segment_path};
use crate::{Damage, Disk, DiskFile, JournalConfig, OpenMode, StoreError};

/// The segment files of a data directory as they were found, before their blocks are looked at.
pub(crate) struct Survey {
    /// Every segment file, by the number in its name.
    pub(crate) segments: BTreeMap<u64, Arc<Segment>>,
    /// Numbers whose header has a damaged copy, and whether that was the last good one.
    pub(crate) bad_headers: Vec<(u64, bool)>,
    pub(crate) identity: Option<u64>,
}

impl Survey {
    /// Reads all headers. `identity` is what a checkpoint says, and settles the question where there is one.
    pub(crate) fn take(
        disk: &dyn Disk,
        config: &JournalConfig,
        identity: Option<u64>,
    ) -> Result<Survey, StoreError> {
        let dir = Path::new(JOURNAL_DIR);
        let entries = disk.list(dir).map_err(|error| StoreError::io("listing", dir, error))?;
        let mut found = Vec::new();
        for number in entries.iter().filter_map(|entry| segment_number(&entry.name)) {
            let path = segment_path(number);
            let file: Arc<dyn DiskFile> = match disk.open(&path, OpenMode::ReadWrite) {
                Ok(file) => Arc::from(file),
                Err(error) => return Err(StoreError::io("opening", &path, error)),
            };
            let page = first_page(&*file);
            found.push((number, file, SegmentHeader::decode(&page), SegmentHeader::is_intact(&page)));
        }
        let headers = || found.iter().filter_map(|(_, _, header, _)| header.as_ref());
        let identity = identity.or_else(|| most_common(headers().map(|header| header.identity)));
        let size = most_common(headers().filter(|h| Some(h.identity) == identity).map(|h| h.segment_bytes));
        if let Some(size) = size
            && size != config.segment_bytes
        {
            return Err(StoreError::Config(format!(
                "this data directory was made with journal segments of {size} bytes, not {}: \
                 set the segment size to {size}, or use an empty directory",
                config.segment_bytes
            )));
        }
        let mut survey = Survey { segments: BTreeMap::new(), bad_headers: Vec::new(), identity };
        for (number, file, header, intact) in found {
            let header = header.filter(|header| header.number == number && Some(header.identity) == identity);
            if header.is_none() || !intact {
                survey.bad_headers.push((number, header.is_none()));
            }
            let header = header.unwrap_or(SegmentHeader {
                identity: identity.unwrap_or_default(),
                number,
                segment_bytes: config.segment_bytes,
                zeroed: false,
                begun: true,
            });
            survey.segments.insert(number, Arc::new(Segment::new(header, file)));
        }
        Ok(survey)
    }

    /// Takes out the segments before number `first`: a checkpoint says that nothing in them is needed, so they may not
    /// even be whole.
    pub(crate) fn take_below(&mut self, first: u64) -> BTreeMap<u64, Arc<Segment>> {
        let rest = self.segments.split_off(&first);
        std::mem::replace(&mut self.segments, rest)
    }

    /// Puts files aside that nothing can vouch for: no header and no checkpoint says which journal they are of, so no
    /// block in them can be checked. Files that were never begun are deleted.
    pub(crate) fn set_aside(&mut self, disk: &dyn Disk) -> Result<Vec<Damage>, StoreError> {
        let mut damage = Vec::new();
        for (number, segment) in std::mem::take(&mut self.segments) {
            let path = segment_path(number);
            let result = if never_begun(&*segment.file) {
                disk.remove(&path)
            } else {
                let length = segment.file.size().unwrap_or_default();
                let what = "no segment header is readable, so nothing in it can be checked; set aside";
                damage.push(Damage { file: path.clone(), position: 0, length, what: what.into() });
                disk.rename(&path, &path.with_extension("wal.damaged"))
            };
            result.map_err(|error| StoreError::io("setting aside", &path, error))?;
        }
        self.bad_headers.clear();
        let dir = Path::new(JOURNAL_DIR);
        disk.sync_dir(dir).map_err(|error| StoreError::io("syncing", dir, error))?;
        Ok(damage)
    }
}

/// The first page of a file, shorter where the file is; nothing where it can not be read.
fn first_page(file: &dyn DiskFile) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    let len = read_full(file, &mut page, 0).unwrap_or(0);
    page.truncate(len);
    page
}

/// Whether no block was ever written: a file in use has one right behind its header.
fn never_begun(file: &dyn DiskFile) -> bool {
    let mut beginning = vec![0; 16 * PAGE];
    let read = read_full(file, &mut beginning, Layout::FIRST_BLOCK);
    read.is_ok() && beginning.iter().all(|&byte| byte == 0)
}

/// Reads until `buf` is full or the file ends.
pub(crate) fn read_full(file: &dyn DiskFile, buf: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..)
        && !rest.is_empty()
    {
        match file.read_at(rest, position + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn most_common(values: impl Iterator<Item = u64>) -> Option<u64> {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().max_by_key(|&(_, count)| count).map(|(value, _)| value)
}
