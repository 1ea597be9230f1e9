//! Random lives of a journal beside the model.
#![allow(clippy::unwrap_used)]
mod world;

use proptest::prelude::*;
use segment_store::{Fault, LyingDisk};
use world::{SEGMENT, Step, World};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..2000usize).prop_map(Step::Push),
        2 => (0..50_000usize).prop_map(Step::Push),
        6 => Just(Step::Flush),
        4 => Just(Step::Sync),
        1 => Just(Step::Checkpoint),
        2 => Just(Step::Prepare),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ]
}

/// What ends one life of the journal.
fn end() -> impl Strategy<Value = Option<(u64, Fault)>> {
    let fault = prop_oneof![Just(Fault::PowerLoss), Just(Fault::Error), Just(Fault::Full)];
    prop_oneof![1 => Just(None), 3 => (0..150u64, fault).prop_map(Some)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_synced_is_lost_in_any_life(
        seed in any::<u64>(),
        short in any::<bool>(),
        small in any::<bool>(),
        lives in prop::collection::vec((prop::collection::vec(step(), 1..40), end()), 1..6),
    ) {
        let disk = LyingDisk::new(seed);
        disk.set_short_writes(short);
        if small {
            disk.set_capacity(8 * SEGMENT);
        }
        let mut world = World::new(disk);
        world.reopen().unwrap();
        for (steps, end) in lives {
            if let Some((operation, fault)) = end {
                world.disk.fail_at(world.disk.operations() + operation, fault);
            }
            for step in steps {
                if world.step(step).is_err() {
                    break;
                }
            }
            world.journal = None;
            world.disk = world.disk.crash();
            world.reopen().unwrap();
        }
    }
}
