//! Power loss and failures at every single operation: what was synced survives, what was not is a prefix.
#![allow(clippy::unwrap_used)]
mod world;

use segment_store::{Crash, Fault, LyingDisk};
use world::{Step, World};

/// Covers every kind of operation: blocks in one segment, a roll, checkpoints, recycling, a reopening, a kill.
fn scenario() -> Vec<Step> {
    use Step::{Checkpoint, Flush, Kill, Prepare, Push, Reopen, Sync};
    let mut steps = vec![
        Push(10),
        Push(700),
        Flush,
        Sync,
        Push(300),
        Flush,
        Push(5000),
        Flush,
        Sync,
        Prepare,
        Push(40_000),
        Flush,
        Push(100),
        Flush,
        Push(30_000),
        Flush,
        Push(600),
        Flush,
        Sync,
        Checkpoint,
        Push(9),
        Flush,
        Prepare,
        Push(50_000),
        Flush,
        Sync,
        Push(50_000),
        Flush,
        Push(20),
        Flush,
        Checkpoint,
        Prepare,
        Push(77),
        Flush,
        Reopen,
        Push(1000),
        Flush,
        Kill,
        Push(2000),
        Flush,
        Sync,
        Push(3000),
        Flush,
    ];
    steps.extend([Push(40_000), Flush, Prepare, Checkpoint, Push(40_000), Flush, Sync, Push(1), Flush]);
    steps
}

/// Runs the scenario until it ends or fails, and answers the world as it is then.
fn run(seed: u64, fault: Option<(u64, Fault)>) -> World {
    let disk = LyingDisk::new(seed);
    disk.set_short_writes(seed % 2 == 1);
    if let Some((operation, fault)) = fault {
        disk.fail_at(operation, fault);
    }
    let mut world = World::new(disk);
    for step in scenario() {
        if world.step(step).is_err() {
            break;
        }
    }
    world
}

/// Goes on after a crash: the journal takes records again, and keeps them.
fn go_on(world: &mut World) {
    use Step::{Flush, Kill, Push, Sync};
    world.reopen().unwrap();
    for step in [Push(100), Flush, Push(20_000), Flush, Sync, Push(50_000), Flush, Kill, Push(5), Flush, Sync]
    {
        world.step(step).unwrap();
    }
    world.disk = world.disk.crash();
    world.reopen().unwrap();
}

#[test]
fn survives_power_loss_at_every_operation() {
    for seed in 0..2 {
        let total = run(seed, None).disk.operations();
        for operation in 0..total {
            let world = run(seed, Some((operation, Fault::PowerLoss)));
            for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Any, Crash::Any] {
                let disk = world.disk.crash_with(crash);
                let mut after = World { disk, journal: None, model: world.model.clone() };
                go_on(&mut after);
            }
        }
    }
}

#[test]
fn a_failure_at_any_operation_loses_nothing_synced() {
    for fault in [Fault::Error, Fault::Full] {
        let total = run(0, None).disk.operations();
        for operation in 0..total {
            let mut world = run(0, Some((operation, fault)));
            // The process is started again; later the power goes as well.
            world.journal = None;
            go_on(&mut world);
            let mut world = run(0, Some((operation, fault)));
            world.disk = world.disk.crash();
            go_on(&mut world);
        }
    }
}
