//! Replies and events as the subprotocol `sluice.v1.json` writes them.

use super::answer::{Answer, Event, Position, Reply, Seat, Subscribed};
use super::command::{AckMode, CommandId, CreditGrant, Subscription};
use crate::codec::problem;
use crate::codec::receipts::{write_error, write_receipt};
use crate::codec::render::{integer, string};
use crate::topics::Model;

/// Appends a reply. A binary frame carries the id in its header, so there it is left out.
pub fn write_reply(out: &mut Vec<u8>, reply: &Reply, with_id: bool) {
    out.push(b'{');
    if with_id {
        out.extend_from_slice(b"\"id\":");
        match &reply.id {
            Some(CommandId::Number(number)) => integer(out, *number),
            Some(CommandId::Text(text)) => string(out, text),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b',');
    }
    match &reply.outcome {
        Ok(answer) => {
            out.extend_from_slice(b"\"type\":\"ok\"");
            write_answer(out, answer);
        }
        Err(refusal) => {
            out.extend_from_slice(b"\"type\":\"error\",\"error\":");
            problem::write(out, refusal);
        }
    }
    out.push(b'}');
}

fn write_answer(out: &mut Vec<u8>, answer: &Answer) {
    match answer {
        Answer::Done => {}
        Answer::Noted(note) => {
            out.extend_from_slice(b",\"note\":");
            string(out, note);
        }
        Answer::Subscribed(subscribed) => write_subscribed(out, subscribed),
        Answer::Published(results) => {
            out.reserve(results.len() * 64);
            list(out, "results", results, |out, result| match result {
                Ok(receipt) => write_receipt(out, receipt),
                Err(refusal) => write_error(out, refusal),
            });
        }
        Answer::Settled(results) => list(out, "results", results, |out, result| match result {
            Ok(None) => out.extend_from_slice(b"{}"),
            Ok(Some(expires_at)) => {
                out.extend_from_slice(b"{\"lease_expires_at\":");
                integer(out, *expires_at);
                out.push(b'}');
            }
            Err(refusal) => write_error(out, refusal),
        }),
        Answer::Browsed { messages, next } => {
            out.extend_from_slice(b",\"messages\":[");
            out.extend_from_slice(messages);
            out.push(b']');
            if let Some(next) = next {
                out.extend_from_slice(b",\"next\":");
                integer(out, *next);
            }
        }
        Answer::Message(message) => {
            out.extend_from_slice(b",\"message\":");
            out.extend_from_slice(message);
        }
        Answer::Committed(positions) => list(out, "committed", positions, write_position),
    }
}

fn write_subscribed(out: &mut Vec<u8>, subscribed: &Subscribed) {
    subscription(out, subscribed.subscription);
    out.extend_from_slice(b",\"topic\":");
    string(out, &subscribed.topic);
    out.extend_from_slice(match subscribed.model {
        Model::Queue => b",\"model\":\"queue\"",
        Model::Log => b",\"model\":\"log\"",
    });
    out.extend_from_slice(match subscribed.ack {
        AckMode::Manual => b",\"ack\":\"manual\"",
        AckMode::Auto => b",\"ack\":\"auto\"",
    });
    write_credit(out, subscribed.credit);
    if let Some(seat) = &subscribed.seat {
        write_seat(out, seat);
    }
    if let Some(partitions) = &subscribed.partitions {
        list(out, "partitions", partitions, write_position);
    }
}

fn write_credit(out: &mut Vec<u8>, credit: CreditGrant) {
    out.extend_from_slice(b",\"credit\":{");
    if let Some(messages) = credit.messages {
        out.extend_from_slice(b"\"messages\":");
        integer(out, messages);
    }
    if let Some(bytes) = credit.bytes {
        if credit.messages.is_some() {
            out.push(b',');
        }
        out.extend_from_slice(b"\"bytes\":");
        integer(out, bytes);
    }
    out.push(b'}');
}

fn write_seat(out: &mut Vec<u8>, seat: &Seat) {
    out.extend_from_slice(b",\"group\":");
    string(out, &seat.group);
    out.extend_from_slice(b",\"member_id\":");
    string(out, &seat.member_id);
    out.extend_from_slice(b",\"generation\":");
    integer(out, seat.generation);
}

fn write_position(out: &mut Vec<u8>, position: &Position) {
    out.extend_from_slice(b"{\"partition\":");
    integer(out, position.partition);
    out.extend_from_slice(b",\"offset\":");
    integer(out, position.offset);
    out.push(b'}');
}

/// Appends an event.
pub fn write_event(out: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Closed { subscription: number, reason } => {
            out.extend_from_slice(b"{\"type\":\"subscription_closed\"");
            subscription(out, *number);
            out.extend_from_slice(b",\"error\":");
            problem::write(out, reason);
        }
        Event::Assignment { subscription: number, seat, partitions } => {
            out.extend_from_slice(b"{\"type\":\"assignment\"");
            subscription(out, *number);
            write_seat(out, seat);
            list(out, "partitions", partitions, write_position);
        }
        Event::Goodbye { retry_after_ms } => {
            out.extend_from_slice(b"{\"type\":\"goodbye\",\"reason\":\"shutting_down\",\"retry_after_ms\":");
            integer(out, *retry_after_ms);
        }
    }
    out.push(b'}');
}

fn subscription(out: &mut Vec<u8>, number: Subscription) {
    out.extend_from_slice(b",\"subscription\":");
    integer(out, number);
}

fn list<T>(out: &mut Vec<u8>, name: &str, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}
