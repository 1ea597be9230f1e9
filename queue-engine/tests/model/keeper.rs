//! What keeps the engine's records in the model's world, and how its power goes.
use message::Timestamp;
use queue_engine::{EngineConfig, QueueEngine};
use segment_store::Block;

use crate::journal::TestJournal;

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Committed {
    Yes,
    /// The power went, and nothing of it is there.
    Lost,
    /// The power went before anybody could be told, and all of it is there.
    Untold,
}

/// A journal whose power can go.
pub trait Keeper {
    /// The power is to go at this operation from now on, counted from 0.
    fn cut_at(&mut self, operation: u64);
    /// The block to write into; `None` if the power went.
    fn block(&mut self) -> Option<Block>;
    fn commit(&mut self, block: Block) -> Committed;
    /// Keeps what the engine asks to keep, and recycles what nothing needs below it. Answers whether it came to that
    /// before the power went.
    fn checkpoint(&mut self, engine: &QueueEngine) -> bool;
    /// What a restart makes of it.
    fn recover(&mut self, config: EngineConfig, now: Timestamp) -> QueueEngine;
    fn end(&self) -> u64;
}

/// Keeps whole blocks and checkpoints, or nothing of the next one.
#[derive(Default)]
pub struct InMemory {
    journal: TestJournal,
    is_cut: bool,
}

impl Keeper for InMemory {
    fn cut_at(&mut self, _: u64) {
        self.is_cut = true;
    }

    fn block(&mut self) -> Option<Block> {
        Some(self.journal.block())
    }

    fn commit(&mut self, block: Block) -> Committed {
        if std::mem::take(&mut self.is_cut) {
            return Committed::Lost;
        }
        self.journal.commit(&block);
        Committed::Yes
    }

    fn checkpoint(&mut self, engine: &QueueEngine) -> bool {
        if std::mem::take(&mut self.is_cut) {
            return false;
        }
        self.journal.checkpoint(engine);
        true
    }

    fn recover(&mut self, config: EngineConfig, now: Timestamp) -> QueueEngine {
        self.journal.recover(config, now)
    }

    fn end(&self) -> u64 {
        self.journal.end
    }
}
