//! What the machine does without an engine: the limits that engine rows stand beside.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes of one large write.
pub const MIB: usize = 1 << 20;
/// How far a file grows before the next one is begun.
const FILE: u64 = 1 << 30;

/// Memory that a direct write takes.
#[repr(C, align(4096))]
struct Aligned([u8; MIB]);

/// Writes of 1 MiB to new files through the page cache, each synced or none: bytes a second.
pub fn buffered_writes(dir: &Path, synced: bool, time: Duration) -> f64 {
    let block = vec![7_u8; MIB];
    let began = Instant::now();
    let mut written = 0_u64;
    let mut file = File::create(dir.join("raw")).expect("a file");
    while began.elapsed() < time {
        if written.is_multiple_of(FILE) {
            file = File::create(dir.join("raw")).expect("a file");
        }
        file.write_all_at(&block, written % FILE).expect("room");
        if synced {
            file.sync_data().expect("a sync");
        }
        written += MIB as u64;
    }
    let rate = written as f64 / began.elapsed().as_secs_f64();
    let _ = std::fs::remove_file(dir.join("raw"));
    rate
}

/// Writes of 1 MiB past the page cache into a file that has its room already, each synced: bytes a second.
pub fn direct_writes(dir: &Path, time: Duration) -> f64 {
    let path = dir.join("raw-direct");
    let block = Box::new(Aligned([7; MIB]));
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    let file = File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .custom_flags(direct)
        .open(&path)
        .expect("a file system with direct writes");
    for at in 0..FILE / MIB as u64 {
        file.write_all_at(&block.0, at * MIB as u64).expect("room");
    }
    file.sync_all().expect("a sync");
    let began = Instant::now();
    let mut written = 0_u64;
    while began.elapsed() < time {
        file.write_all_at(&block.0, written % FILE).expect("room");
        file.sync_data().expect("a sync");
        written += MIB as u64;
    }
    let rate = written as f64 / began.elapsed().as_secs_f64();
    let _ = std::fs::remove_file(path);
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
