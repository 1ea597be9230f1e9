use std::sync::Arc;
use std::thread;

use log_engine::Offset;
use log_engine::batch::Codec;
use segment_store::LyingDisk;

use crate::shell::{Shell, batch, entries, read_all};

/// Readers on other threads see every record exactly once and never an empty answer before the end, however often
/// records move from memory to files meanwhile.
#[test]
fn readers_never_miss_what_settles_under_them() {
    let disk = LyingDisk::new(1);
    let mut shell = Shell::open(&disk).unwrap();
    let topic = shell.create("t", 1, &[("segment.bytes", "3000"), ("index.interval.bytes", "500")]);
    let view = topic.partition(0).unwrap();
    let total = 3000;
    let readers: Vec<_> = [200, 5000, 1 << 20]
        .into_iter()
        .map(|max_bytes| {
            let view = Arc::clone(view);
            thread::spawn(move || {
                let (mut at, mut seen) = (Offset(0), 0);
                while at < Offset(total) {
                    let (found, lost) = read_all(&view, at, max_bytes);
                    assert_eq!(lost, []);
                    for (offset, _) in found {
                        assert_eq!(offset.0, seen);
                        seen += 1;
                    }
                    at = Offset(seen);
                    thread::yield_now();
                }
            })
        })
        .collect();
    for first in (0..total as usize).step_by(5) {
        shell.append(view, batch(&entries(first, 5, 40), Codec::None)).unwrap();
        shell.commit().unwrap();
        if first % 4 == 0 {
            shell.settle().unwrap();
        }
        if first % 500 == 0 {
            shell.checkpoint().unwrap();
        }
    }
    for reader in readers {
        reader.join().unwrap();
    }
}
