use std::fs;
use std::io;
use std::path::Path;

use crate::ring::Ring;
use crate::{Design, Load};

/// Every partition has a file of its own, and a sync of its own; a queue has a second one for what was settled.
pub struct FilePerPartition {
    messages: Vec<Ring>,
    settles: Vec<Ring>,
}

impl FilePerPartition {
    pub fn create(dir: &Path, partitions: usize, bytes: u64) -> io::Result<FilePerPartition> {
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
        fs::create_dir_all(dir)?;
        let size = bytes / partitions as u64;
        let rings = |kind: &str, size: u64| -> io::Result<Vec<Ring>> {
            (0..partitions).map(|number| Ring::create(&dir.join(format!("{number}.{kind}")), size)).collect()
        };
        let files =
            FilePerPartition { messages: rings("messages", size)?, settles: rings("settles", size / 16)? };
        rustix::fs::fsync(fs::File::open(dir)?)?;
        Ok(files)
    }
}

impl Design for FilePerPartition {
    fn round(&mut self, load: &Load, messages: &[u8], settles: &[u8]) -> io::Result<()> {
        for (rings, record) in [(&mut self.messages, messages), (&mut self.settles, settles)] {
            if record.is_empty() {
                continue;
            }
            for ring in rings.iter_mut() {
                ring.append(record)?;
            }
            // After all writes, so that the disk may take them together.
            if load.synced {
                for ring in rings.iter() {
                    ring.sync()?;
                }
            }
        }
        Ok(())
    }
}
