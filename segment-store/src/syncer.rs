use std::fmt;
use std::sync::Arc;

use crate::shared::Shared;
use crate::{Lsn, StoreError};

/// Makes written blocks durable, from any thread.
#[derive(Clone)]
pub struct Syncer {
    pub(crate) shared: Arc<Shared>,
}

impl Syncer {
    /// Blocks until everything below `upto` would survive power loss, and answers how far the journal is durable.
    ///
    /// Callers share syncs: whoever arrives while one is running waits for it, and one of them makes the next for all.
    /// A position that is not written yet is not waited for: the answer is then lower than `upto`.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] when this sync, or anything before it, failed: what was not durable by then may be lost.
    pub fn sync(&self, upto: Lsn) -> Result<Lsn, StoreError> {
        self.shared.sync(upto)
    }

    /// How far the journal is known to be durable.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.shared.durable()
    }
}

impl fmt::Debug for Syncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syncer").field("durable", &self.durable()).finish_non_exhaustive()
    }
}
