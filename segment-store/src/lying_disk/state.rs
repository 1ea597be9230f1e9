use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::dice::Dice;
use super::inode::Inode;
use super::names::{Names, Node};
use super::{Crash, Fault};

/// Everything behind a lying disk and its open files.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) dice: Dice,
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) names: Names,
    pub(super) capacity: u64,
    pub(super) short_writes: bool,
    pub(super) operations: u64,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) powered_off: bool,
    pub(super) locked: bool,
    next_inode: u64,
}

/// How an operation that changes the disk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    Fine,
    /// It happens, and then the power goes: it may or may not have reached the platter.
    LastOne,
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State {
            dice: Dice::new(seed),
            inodes: BTreeMap::new(),
            names: Names::default(),
            capacity: u64::MAX,
            short_writes: false,
            operations: 0,
            faults: BTreeMap::new(),
            powered_off: false,
            locked: false,
            next_inode: 1,
        }
    }

    /// Counts an operation that changes the disk and looks up what shall happen to it.
    pub(super) fn begin(&mut self) -> io::Result<Course> {
        self.check_power()?;
        let operation = self.operations;
        self.operations += 1;
        match self.faults.get(&operation) {
            None => Ok(Course::Fine),
            Some(Fault::Error) => Err(errno(Errno::IO)),
            Some(Fault::Full) => Err(errno(Errno::NOSPC)),
            Some(Fault::PowerLoss) => {
                self.powered_off = true;
                Ok(Course::LastOne)
            }
        }
    }

    /// The answer to an operation that was carried out.
    pub(super) fn end<T>(course: Course, value: T) -> io::Result<T> {
        match course {
            Course::Fine => Ok(value),
            Course::LastOne => Err(errno(Errno::IO)),
        }
    }

    pub(super) fn check_power(&self) -> io::Result<()> {
        if self.powered_off { Err(errno(Errno::IO)) } else { Ok(()) }
    }

    pub(super) fn used(&self) -> u64 {
        self.inodes.values().map(Inode::takes).sum()
    }

    /// Refuses to let a file that takes `now` bytes take `wanted`.
    pub(super) fn check_room(&self, now: u64, wanted: u64) -> io::Result<()> {
        let more = wanted.saturating_sub(now);
        if more > 0 && self.used().saturating_add(more) > self.capacity {
            return Err(errno(Errno::NOSPC));
        }
        Ok(())
    }

    pub(super) fn inode(&mut self, number: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&number).ok_or_else(|| errno(Errno::STALE))
    }

    pub(super) fn file_at(&self, path: &Path) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Node::File(number)) => Ok(number),
            Some(Node::Dir) => Err(errno(Errno::ISDIR)),
            None => Err(errno(Errno::NOENT)),
        }
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        if self.names.get(path.parent().unwrap_or(Path::new(""))) != Some(Node::Dir) {
            return Err(errno(Errno::NOENT));
        }
        let course = self.begin()?;
        let number = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(number, Inode::named());
        self.names.link(path, Node::File(number));
        State::end(course, number)
    }

    /// Frees the room of an inode that has neither name nor handle.
    pub(super) fn release(&mut self, number: u64) {
        if let Some(inode) = self.inodes.get_mut(&number) {
            inode.freed |= !inode.linked && inode.handles == 0;
        }
    }

    pub(super) fn sync_names(&mut self, dir: &Path) {
        self.names.sync(dir);
        let names = &self.names;
        self.inodes.retain(|number, inode| !inode.freed || names.may_return(*number));
    }

    pub(super) fn after_power_loss(&mut self, crash: Crash) -> State {
        let chances = match crash {
            Crash::LoseAll => 0,
            Crash::KeepAll => 256,
            Crash::Any => [0, 24, 128, 128, 232, 256][self.dice.below(6) as usize],
        };
        let mut dice = Dice::new(self.dice.next());
        let names = self.names.after_power_loss(chances, &mut dice);
        let mut inodes = BTreeMap::new();
        for node in names.seen.values() {
            if let Node::File(number) = node
                && let Some(inode) = self.inodes.get(number)
            {
                inodes.insert(*number, inode.after_power_loss(chances, &mut dice));
            }
        }
        State {
            inodes,
            names,
            capacity: self.capacity,
            short_writes: self.short_writes,
            next_inode: self.next_inode,
            ..State::new(dice.next())
        }
    }
}

pub(super) fn errno(errno: Errno) -> io::Error {
    io::Error::from_raw_os_error(errno.raw_os_error())
}
