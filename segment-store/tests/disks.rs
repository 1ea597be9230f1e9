//! The real and the lying disk keep the same promises.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, IoSlice};
use std::path::Path;
use std::sync::Arc;

use segment_store::{
    Crash, Disk, DiskFile, Fault, Journal, JournalConfig, LyingDisk, OpenMode, RealDisk, StoreError,
};

fn both(check: impl Fn(&dyn Disk)) {
    let dir = tempfile::tempdir().unwrap();
    let real = RealDisk::new(dir.path());
    drop(real.lock().unwrap());
    check(&real);
    check(&LyingDisk::new(1));
    let short = LyingDisk::new(1);
    short.set_short_writes(true);
    check(&short);
}

fn read(file: &dyn DiskFile, position: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, position).unwrap();
    bytes.truncate(read);
    bytes
}

#[test]
fn files_are_read_and_written_by_position() {
    both(|disk| {
        let path = Path::new("a");
        assert_eq!(disk.open(path, OpenMode::ReadWrite).err().unwrap().kind(), ErrorKind::NotFound);
        let file = disk.open(path, OpenMode::Create).unwrap();
        file.set_len(0).unwrap();
        file.write_all_at(b"hello", 3).unwrap();
        assert_eq!(read(&*file, 0, 100), b"\0\0\0hello");
        assert_eq!(read(&*file, 100, 10), b"");
        let slices: Vec<_> = (0..3000).map(|_| IoSlice::new(b"ab")).collect();
        file.write_vectored_at(&slices, 8).unwrap();
        assert_eq!(read(&*file, 8, 10_000), b"ab".repeat(3000));
        file.sync_data().unwrap();
        file.allocate(10_000).unwrap();
        assert_eq!(file.size().unwrap(), 10_000);
        assert_eq!(&*file.map(10).unwrap(), b"\0\0\0helloab");
        assert_eq!(file.map(10_001).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        assert_eq!(&*file.map(0).unwrap(), b"");
        file.set_len(4).unwrap();
        let again = disk.open(path, OpenMode::Read).unwrap();
        assert_eq!(read(&*again, 0, 100), b"\0\0\0h");
        assert!(again.write_all_at(b"x", 0).is_err());
    });
}

#[test]
fn names_come_and_go() {
    both(|disk| {
        assert_eq!(disk.list(Path::new("dir")).unwrap(), []);
        disk.create_dir_all(Path::new("dir/sub")).unwrap();
        for name in ["dir/b", "dir/a"] {
            disk.open(Path::new(name), OpenMode::Create).unwrap().write_all_at(b"12", 0).unwrap();
        }
        disk.rename(Path::new("dir/b"), Path::new("dir/c")).unwrap();
        disk.sync_dir(Path::new("dir")).unwrap();
        let names = || -> Vec<_> {
            let entries = disk.list(Path::new("dir")).unwrap();
            entries.into_iter().map(|entry| (entry.name, entry.len, entry.is_dir)).collect()
        };
        assert_eq!(names(), [("a".into(), 2, false), ("c".into(), 2, false), ("sub".into(), 0, true)]);
        disk.rename(Path::new("dir/a"), Path::new("dir/c")).unwrap();
        disk.remove(Path::new("dir/c")).unwrap();
        assert_eq!(disk.remove(Path::new("dir/c")).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(names(), [("sub".into(), 0, true)]);
        disk.remove_dir_all(Path::new("dir")).unwrap();
        disk.remove_dir_all(Path::new("dir")).unwrap();
        assert_eq!(names(), []);
        for root in ["", "."] {
            assert!(disk.remove_dir_all(Path::new(root)).is_err(), "the data directory itself stays");
        }
    });
}

#[test]
fn no_path_leads_out_of_the_data_directory() {
    both(|disk| {
        for path in ["../x", "/etc/passwd", "a/../../x", "a/.."] {
            let path = Path::new(path);
            assert_eq!(disk.open(path, OpenMode::Create).err().unwrap().kind(), ErrorKind::InvalidInput);
            assert!(disk.list(path).is_err() && disk.create_dir_all(path).is_err());
            assert!(disk.remove(path).is_err() && disk.remove_dir_all(path).is_err());
            assert!(disk.rename(path, Path::new("y")).is_err() && disk.rename(Path::new("y"), path).is_err());
            assert!(disk.sync_dir(path).is_err());
        }
    });
}

#[test]
fn one_owner_at_a_time() {
    both(|disk| {
        let lock = disk.lock().unwrap();
        let error = disk.lock().err().unwrap();
        assert!(error.to_string().contains("in use by another process"), "{error}");
        drop(lock);
        disk.lock().unwrap();
        let space = disk.space().unwrap();
        assert!(space.free > 0 && space.free <= space.total, "{space:?}");
    });
}

#[test]
fn the_second_journal_on_a_real_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        let config = JournalConfig { segment_bytes: 1 << 20, ..JournalConfig::default() };
        Journal::open(Arc::new(RealDisk::new(dir.path())), config, &mut |_| Ok(()))
    };
    let first = open().unwrap();
    match open() {
        Err(StoreError::Locked(path)) => assert_eq!(path, dir.path()),
        other => panic!("{:?}", other.map(|_| ())),
    }
    drop(first);
    open().unwrap();
}

#[test]
fn large_aligned_and_unaligned_writes_arrive_whole() {
    let dir = tempfile::tempdir().unwrap();
    let disk = RealDisk::new(dir.path());
    let file = disk.open(Path::new("large"), OpenMode::Create).unwrap();
    let memory: Vec<u8> = (0..700_000u32).map(|i| (i / 3) as u8).collect();
    for (from, len) in [(0, 4096), (0, 65_536), (1, 300_000), (8, 70_000), (4096, 262_144), (40, 600_001)] {
        for shift in [0, 8, 4096, 5000] {
            let bytes = &memory[from..from + len];
            // Once wherever memory and file happen to lie, once aligned alike.
            let alike = (bytes.as_ptr() as usize % 4096 + shift / 4096 * 4096) as u64;
            for position in [shift as u64, alike] {
                file.write_all_at(bytes, position).unwrap();
                file.sync_data().unwrap();
                assert_eq!(read(&*file, position, len), bytes, "{from} {len} at {position}");
            }
        }
    }
}

#[test]
fn what_is_not_synced_may_be_lost_and_what_is_may_not() {
    let disk = LyingDisk::new(1);
    let file = disk.open(Path::new("f"), OpenMode::Create).unwrap();
    file.write_all_at(&[1; 2000], 0).unwrap();
    file.sync_data().unwrap();
    assert!(disk.crash_with(Crash::LoseAll).files().is_empty(), "its name was never synced");
    disk.sync_dir(Path::new("")).unwrap();
    file.write_all_at(&[2; 2000], 0).unwrap();
    let content = |disk: LyingDisk| disk.content(Path::new("f")).unwrap();
    assert_eq!(content(disk.crash_with(Crash::LoseAll)), [1; 2000]);
    assert_eq!(content(disk.crash_with(Crash::KeepAll)), [2; 2000]);
    let mixed =
        (0..50).map(|_| content(disk.crash())).filter(|left| left.contains(&1) && left.contains(&2)).count();
    assert!(mixed > 5, "sectors are lost one by one");
    disk.fail_at(disk.operations(), Fault::Error);
    file.sync_data().unwrap_err();
    file.sync_data().unwrap();
    assert_eq!(content(disk.crash_with(Crash::KeepAll)), [1; 2000], "a failed sync counts its data as clean");
    assert_eq!(content(disk.clone()), [2; 2000]);
}

#[test]
fn the_same_seed_tells_the_same_lies() {
    let run = |seed| {
        let disk = LyingDisk::new(seed);
        let file = disk.open(Path::new("f"), OpenMode::Create).unwrap();
        disk.sync_dir(Path::new("")).unwrap();
        file.write_all_at(&[1; 9000], 0).unwrap();
        (0..10).map(|_| disk.crash().content(Path::new("f")).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn a_full_disk_refuses_growth_only() {
    let disk = LyingDisk::new(1);
    disk.set_capacity(10_000);
    let file = disk.open(Path::new("f"), OpenMode::Create).unwrap();
    file.allocate(8000).unwrap();
    file.write_all_at(&[1; 8000], 0).unwrap();
    assert_eq!(disk.space().unwrap().free, 2000);
    assert_eq!(file.write_all_at(&[1; 3000], 8000).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.allocate(10_001).unwrap_err().kind(), ErrorKind::StorageFull);
    drop(file);
    disk.remove(Path::new("f")).unwrap();
    assert_eq!(disk.space().unwrap().free, 10_000);
}

#[test]
fn what_was_written_through_is_durable_by_itself() {
    both(|disk| {
        let file = disk.open(Path::new("a"), OpenMode::Create).unwrap();
        file.write_cached_at(&[1; 200_000], 0).unwrap();
        file.write_through_at(&[2; 5000], 4096).unwrap();
        assert_eq!(read(&*file, 4000, 6000), [[1; 96].as_slice(), &[2; 5000], &[1; 904]].concat());
    });
    let disk = LyingDisk::new(1);
    let file = disk.open(Path::new("a"), OpenMode::Create).unwrap();
    file.write_all_at(&[1; 8192], 0).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new("")).unwrap();
    file.write_all_at(&[2; 8192], 0).unwrap();
    file.write_through_at(&[3; 1024], 2048).unwrap();
    let left = disk.crash_with(Crash::LoseAll).content(Path::new("a")).unwrap();
    assert_eq!(left, [[1; 2048].as_slice(), &[3; 1024], &[1; 5120]].concat());
    disk.fail_at(disk.operations() + 1, Fault::Error);
    file.write_through_at(&[4; 512], 0).unwrap_err();
    let left = disk.crash_with(Crash::LoseAll).content(Path::new("a")).unwrap();
    assert_eq!(
        left,
        [[1; 2048].as_slice(), &[3; 1024], &[1; 5120]].concat(),
        "a failed one made nothing durable"
    );
}
