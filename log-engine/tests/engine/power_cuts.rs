//! The power goes at every single operation of the disk.
use segment_store::{Crash, Fault, LyingDisk, StoreError};

/// Plays a scenario once in peace, and then again and again, each time with the power going at another operation: every
/// write, every sync, every change of a directory. What the disk then holds, in each way in which a disk may lose what was
/// not synced, goes to `check` with what the scenario had noted until then.
pub fn everywhere<Noted: Default>(
    scenario: impl Fn(&LyingDisk, &mut Noted) -> Result<(), StoreError>,
    check: impl Fn(&LyingDisk, &Noted, &str),
) {
    let disk = LyingDisk::new(1);
    scenario(&disk, &mut Noted::default()).unwrap();
    let operations = disk.operations();
    for operation in 0..operations {
        let disk = LyingDisk::new(operation);
        disk.fail_at(operation, Fault::PowerLoss);
        let mut noted = Noted::default();
        if scenario(&disk, &mut noted).is_ok() {
            continue;
        }
        for crash in [Crash::Any, Crash::LoseAll, Crash::KeepAll] {
            let what = format!("power loss at operation {operation} of {operations}, {crash:?}");
            check(&disk.crash_with(crash), &noted, &what);
        }
    }
}
