//! Shovels: messages moved from a queue or exchange of one broker to another one's, or within one, as RabbitMQ's dynamic
//! shovels do.
//!
//! `definition` reads what is to be done and `flow` knows which message is settled when; neither knows a connection. `link`
//! and `transfer` speak AMQP by lapin, `socket` gives it streams, `worker` tries again, `crew` follows the definitions.

mod address;
mod crew;
mod definition;
mod flow;
mod forwarding;
mod link;
mod overrides;
mod report;
mod settings;
mod socket;
mod table;
mod term;
mod transfer;
mod worker;

pub use address::{Address, Login, Place, TlsTerms, Tuning};
pub use crew::{ShovelFigures, Shovels};
pub use definition::{DeleteAfter, Destination, Intake, Shovel, Source, Target};
pub use flow::{AckMode, Flow, Passage, Settle, Tag, Verdict};
pub use overrides::Overrides;
pub use report::{Counts, Report, Standing, State, Tally};
