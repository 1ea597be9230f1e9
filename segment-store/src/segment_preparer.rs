use std::fmt;
use std::sync::Arc;
use std::thread;

use crate::StoreError;
use crate::page_buffer::PageBuffer;
use crate::segment::{Segment, ZERO_PIECE};
use crate::segment_header::segment_path;
use crate::shared::Shared;

/// Gets segments ready ahead of time, so that the journal's owner neither allocates nor zeroes nor renames files.
///
/// With [`JournalConfig::background`](crate::JournalConfig::background) the journal runs it in a thread of its own.
#[derive(Clone)]
pub struct SegmentPreparer {
    pub(crate) shared: Arc<Shared>,
}

impl SegmentPreparer {
    /// Does what there is to do now: recycles or deletes retired segments, allocates the next, zeroes what will be
    /// written soon. May be called from any thread at any time.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] or [`StoreError::Io`]; neither endangers what was written, and a later call tries again.
    pub fn run(&self) -> Result<(), StoreError> {
        let shared = &self.shared;
        while !shared.pool.is_stopped() {
            let ready = shared.pool.ready();
            if shared.has_retired() {
                let spare = shared.spare_segments();
                if ready < spare {
                    shared.add_ready_segment(spare)?;
                } else {
                    shared.remove_retired()?;
                }
            } else if ready < shared.pool.wanted() {
                shared.add_ready_segment(shared.pool.wanted())?;
            } else if let Some(segment) = self.newly_begun() {
                // Only a hint for the next start.
                let _ = segment.write_hints(segment.is_zeroed(), true);
            } else if let Some(segment) = self.next_to_zero() {
                self.zero(&segment);
            } else {
                break;
            }
        }
        Ok(())
    }

    fn current(&self) -> Option<Arc<Segment>> {
        self.shared.segments.read().last_key_value().map(|(_, segment)| Arc::clone(segment))
    }

    fn newly_begun(&self) -> Option<Arc<Segment>> {
        self.current().filter(|segment| !segment.is_marked_begun())
    }

    /// The segment being written, and once it is half full the ones after it.
    fn next_to_zero(&self) -> Option<Arc<Segment>> {
        let ahead =
            if self.shared.pool.wanted() > 1 { self.shared.pool.ready_segments() } else { Vec::new() };
        self.current().into_iter().chain(ahead).find(|segment| !segment.is_zeroed())
    }

    /// Writes zeros over all that no block took yet: later syncs then find nothing to change in the file's metadata.
    fn zero(&self, segment: &Segment) {
        let mut zeros = PageBuffer::new(0);
        zeros.zero_to(ZERO_PIECE);
        let complete = loop {
            if self.shared.pool.is_stopped() {
                return;
            }
            match segment.zero_piece(zeros.as_slice()) {
                Ok(true) => {}
                Ok(false) => match segment.file.sync_data() {
                    Ok(()) => break true,
                    Err(error) => {
                        // The file may hold blocks, and their sync would not hear of this failure any more.
                        self.shared.poison("syncing", &segment_path(segment.number()), &error);
                        break false;
                    }
                },
                // Whether the disk takes blocks there will be seen when one is written.
                Err(_) => break false,
            }
        };
        if complete {
            // Without this hint the file is zeroed again after the next start.
            let _ = segment.write_hints(true, segment.is_marked_begun());
        }
        segment.stop_zeroing();
    }

    /// Runs in the background until the journal is dropped.
    pub(crate) fn spawn(self) -> Result<thread::JoinHandle<()>, StoreError> {
        let work = move || {
            loop {
                // A full disk is told to the owner when it asks for room; other errors when it needs the segment.
                let _ = self.run();
                if !self.shared.pool.wait() {
                    return;
                }
            }
        };
        thread::Builder::new().name("segment-preparer".into()).spawn(work).map_err(|source| StoreError::Io {
            context: "starting the thread that prepares journal segments".into(),
            source,
        })
    }
}

impl fmt::Debug for SegmentPreparer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = self.shared.pool.ready_segments();
        let names: Vec<_> = ready.iter().map(|segment| segment_path(segment.number())).collect();
        f.debug_struct("SegmentPreparer").field("ready", &names).finish_non_exhaustive()
    }
}
