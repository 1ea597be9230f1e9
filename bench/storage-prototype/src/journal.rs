use std::io;
use std::path::Path;

use crate::ring::{PAGE, Ring};
use crate::{Design, Load};

/// From this size on a synced round goes past the page cache.
const DIRECT_FROM: usize = 64 * 1024;

/// Everything of a round goes into one block of one file: one write, one sync, however many partitions.
pub struct SharedJournal {
    ring: Ring,
    /// The block being built, with room to begin it at a page boundary.
    memory: Vec<u8>,
}

impl SharedJournal {
    pub fn create(path: &Path, bytes: u64) -> io::Result<SharedJournal> {
        Ok(SharedJournal { ring: Ring::create(path, bytes)?, memory: vec![0; (4 << 20) + PAGE] })
    }
}

impl Design for SharedJournal {
    fn round(&mut self, load: &Load, messages: &[u8], settles: &[u8]) -> io::Result<()> {
        let start = self.memory.as_ptr().align_offset(PAGE);
        let block = &mut self.memory[start..];
        let mut len = 40;
        for partition in 0..load.partitions as u64 {
            for record in [messages, settles] {
                if record.is_empty() {
                    continue;
                }
                block[len..len + 8].copy_from_slice(&partition.to_le_bytes());
                block[len + 8..len + 16].copy_from_slice(&(record.len() as u64).to_le_bytes());
                block[len + 16..len + 16 + record.len()].copy_from_slice(record);
                len += 16 + record.len();
            }
        }
        if load.synced && len >= DIRECT_FROM {
            self.ring.append_pages(&block[..len.next_multiple_of(PAGE)])?;
        } else {
            self.ring.append(&block[..len])?;
        }
        if load.synced { self.ring.sync() } else { Ok(()) }
    }
}
