//! What the machine does without an engine: the limits that engine rows stand beside.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use segment_store::PageBuffer;

/// Bytes of one large write.
pub const MIB: usize = 1 << 20;
/// How far a file grows before the next one is begun.
const FILE: u64 = 1 << 30;

/// How writes get to the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Through the page cache, which the system empties when it likes to.
    Cached,
    /// Through the page cache, each synced.
    Synced,
    /// Past the page cache.
    Direct,
}

/// Writes of 1 MiB to new files, one after the other, which stay as a log does: bytes a second, once `first` bytes are
/// written. Files that went again would leave what is not on the disk yet in memory for nothing.
pub fn writes(dir: &Path, way: Way, first: u64, time: Duration) -> f64 {
    let mut block = PageBuffer::new(0);
    block.extend(&vec![7; MIB]);
    let flags = if way == Way::Direct { rustix::fs::OFlags::DIRECT.bits() as i32 } else { 0 };
    let mut files: Vec<(std::path::PathBuf, File)> = Vec::new();
    let mut written = 0_u64;
    let mut began = Instant::now();
    while written < first || began.elapsed() < time {
        if written.is_multiple_of(FILE) {
            let path = dir.join(format!("raw-{}", files.len()));
            let mut options = File::options();
            options.create_new(true).write(true).custom_flags(flags);
            files.push((path.clone(), options.open(path).expect("a file, with direct writes if need be")));
        }
        let Some((_, file)) = files.last() else { unreachable!("one was begun") };
        file.write_all_at(block.as_slice(), written % FILE).expect("room");
        if way == Way::Synced {
            file.sync_data().expect("a sync");
        }
        written += MIB as u64;
        if written == first {
            began = Instant::now();
        }
    }
    let rate = (written - first) as f64 / began.elapsed().as_secs_f64();
    for (path, _) in files {
        let _ = std::fs::remove_file(path);
    }
    rate
}

/// Reads files from front to end in pieces of 1 MiB: bytes a second.
pub fn reads(files: &[std::path::PathBuf]) -> f64 {
    let mut block = vec![0; MIB];
    let began = Instant::now();
    let mut read = 0;
    for path in files {
        let mut file = File::open(path).expect("a file");
        loop {
            match file.read(&mut block).expect("a read") {
                0 => break,
                more => read += more,
            }
        }
    }
    read as f64 / began.elapsed().as_secs_f64()
}

/// How long one plain read of 64 KiB takes, somewhere in a file.
pub fn read_somewhere(file: &File, random: u64) -> Duration {
    let mut block = vec![0; 64 << 10];
    let len = file.metadata().expect("a file").len();
    let began = Instant::now();
    let read = file.read_at(&mut block, (random % len) & !4095).expect("a read");
    assert!(read > 0);
    began.elapsed()
}

/// Makes the page cache forget files.
pub fn forget(files: &[std::path::PathBuf]) {
    for path in files {
        let file = File::open(path).expect("a file");
        file.sync_all().expect("a sync");
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    }
}

/// The files of that extension below a directory, sorted.
pub fn files_below(dir: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![dir.to_path_buf()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => left.push(path),
                false if path.extension().is_some_and(|own| own == extension) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

/// A pair of connected sockets, and a thread that reads one of them to its end and answers how much came.
pub fn drain() -> (std::net::TcpStream, std::thread::JoinHandle<u64>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let sender = std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a socket");
    let (mut receiver, _) = listener.accept().expect("a socket");
    let reader = std::thread::spawn(move || {
        let mut block = vec![0; 256 << 10];
        let mut received = 0;
        while let Ok(more @ 1..) = receiver.read(&mut block) {
            received += more as u64;
        }
        received
    });
    (sender, reader)
}

/// Sends files through a socket with `sendfile`: bytes a second.
pub fn sendfile(files: &[std::path::PathBuf]) -> f64 {
    let (mut sender, reader) = drain();
    let began = Instant::now();
    let mut sent = 0;
    for path in files {
        let file = File::open(path).expect("a file");
        loop {
            match rustix::fs::sendfile(&sender, &file, None, MIB).expect("a socket that takes it") {
                0 => break,
                more => sent += more,
            }
        }
    }
    sender.flush().expect("a socket");
    drop(sender);
    let received = reader.join().expect("the reader ends");
    assert_eq!(received, sent as u64, "everything that was sent arrives");
    sent as f64 / began.elapsed().as_secs_f64()
}
