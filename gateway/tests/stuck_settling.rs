//! What waits for settling when the disk is lost meanwhile: it is refused, and the owner ends.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod seam;

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use message::ErrorCode;
use seam::{declare_log, message, tight_settings};
use segment_store::{DirEntry, DirLock, Disk, DiskFile, DiskSpace, Fault, LyingDisk, OpenMode};
use sluice::topics::{Acks, Topics};
use tokio::sync::watch;
use tokio::time::timeout;

const MESSAGE: usize = 64 << 10;
/// With so many messages there is twice what settling begins with, and a job is under way.
const OVERRUN: usize = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets nobody by until it is opened.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let closed = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(closed, |open| !*open).unwrap());
    }
}

/// A disk on which logs settle once the gate is open.
struct GatedDisk {
    disk: LyingDisk,
    gate: Arc<Gate>,
}

impl Disk for GatedDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open(path, mode)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        if dir.starts_with("logs") {
            self.gate.pass();
        }
        self.disk.create_dir_all(dir)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.remove_dir_all(dir)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }
    fn lock(&self) -> io::Result<DirLock> {
        self.disk.lock()
    }
    fn space(&self) -> io::Result<DiskSpace> {
        self.disk.space()
    }
}

/// The report of what settled finds no place in a journal that cannot be written to. Publishers and the stop waited for it
/// to be taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_lost_while_settling_is_waited_for_ends_the_wait() {
    let (disk, gate) = (LyingDisk::new(1), Arc::new(Gate::default()));
    let gated = GatedDisk { disk: disk.clone(), gate: Arc::clone(&gate) };
    let (topics, owner) = Topics::open_on(Arc::new(gated), tight_settings()).unwrap();
    declare_log(&topics, "log").await.unwrap();
    let (told, mut taken) = watch::channel(0);
    let publisher = tokio::spawn({
        let topics = topics.clone();
        async move {
            loop {
                match topics.publish("log", vec![message("one", MESSAGE)], Acks::Leader, None).await {
                    Ok(_) => told.send_modify(|count| *count += 1),
                    Err(refusal) => return refusal,
                }
            }
        }
    });
    taken.wait_for(|count| *count >= OVERRUN).await.unwrap();
    disk.fail_at(disk.operations(), Fault::PowerLoss);
    gate.open();
    let refusal = timeout(PATIENCE, publisher).await.expect("the publisher hears of it").unwrap();
    assert_eq!(refusal.code, ErrorCode::StorageFailed, "{refusal:?}");
    topics.close();
    timeout(PATIENCE, owner.ended()).await.expect("the owner ends").unwrap();
}
