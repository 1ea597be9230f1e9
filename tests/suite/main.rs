//! Everything that a user can see of the server, asked through its doors.

mod bad_input;
mod browse;
mod cloudevents;
mod connections;
mod crash;
mod drain;
mod events;
mod exchange_kinds;
mod exchanges;
mod full_disk;
mod groups;
mod idempotency;
mod jobs;
mod logs;
mod ndjson;
mod operations;
mod paging;
mod publish;
mod queue_limits;
mod queues;
mod socket_abuse;
mod socket_logs;
mod socket_queues;
mod start;
mod topics;
mod tour;
