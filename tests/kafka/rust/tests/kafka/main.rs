//! What users of librdkafka rely on, against the real binary.

mod administration;
mod crashes;
mod door;
mod groups;
mod positions;
mod records;
mod transactions;
