use std::time::Instant;

use bytes::Bytes;
use message::HeaderTable;

use super::{Connection, Effect, Phase, VhostAnswer};
use crate::amqp::error::{AmqpError, ReplyCode};
use crate::amqp::identity::ClientIdentity;
use crate::amqp::limits::FRAME_LEAST;
use crate::amqp::login::Mechanism;
use crate::amqp::wire::{Method, MethodId, Reply};

const HEADER_LEN: usize = 8;
const OURS: &[u8; HEADER_LEN] = b"AMQP\x00\x00\x09\x01";
/// What RabbitMQ answers to a client of a version that it does not know: the header of AMQP 1.0 with SASL.
const SASL_1_0: &[u8; HEADER_LEN] = b"AMQP\x03\x01\x00\x00";
/// Names that older clients of the same protocol send: 0-9 as first published, and 0-9-1 without the zero.
const ACCEPTED: [&[u8; HEADER_LEN]; 3] = [OURS, b"AMQP\x01\x01\x00\x09", b"AMQP\x01\x01\x09\x01"];

impl Connection {
    /// The protocol header, with which every client begins.
    pub(super) fn handle_header(&mut self, input: &[u8]) -> usize {
        let Some(header) = input.first_chunk::<HEADER_LEN>() else {
            // What does not begin like it will not end like it.
            if !b"AMQP".starts_with(&input[..input.len().min(4)]) {
                self.refuse_header(OURS);
                return input.len();
            }
            return 0;
        };
        if ACCEPTED.contains(&header) {
            let mechanisms: Vec<&str> = self.terms.mechanisms.iter().map(|m| m.name()).collect();
            let mechanisms = mechanisms.join(" ");
            let properties = self.terms.properties.clone();
            self.say(0, &Reply::Start { properties: &properties, mechanisms: &mechanisms, locales: "en_US" });
            self.phase = Phase::Started;
        } else if header.starts_with(b"AMQP\x00") {
            self.refuse_header(OURS);
        } else if header.starts_with(b"AMQP") {
            self.refuse_header(SASL_1_0);
        } else {
            self.refuse_header(OURS);
        }
        HEADER_LEN
    }

    fn refuse_header(&mut self, answer: &[u8]) {
        self.output.put_raw(answer);
        self.end();
    }

    /// A method while limits and identity are negotiated.
    pub(super) fn handle_negotiation(&mut self, now: Instant, id: MethodId, method: &Method<'_>) {
        match (self.phase, *method) {
            (Phase::Started, Method::StartOk { client_properties, mechanism, response, .. }) => {
                let Ok(properties) = HeaderTable::from_bytes(Bytes::copy_from_slice(client_properties))
                else {
                    return self.fail(
                        now,
                        AmqpError::new(ReplyCode::SyntaxError, "malformed client-properties").of(id),
                    );
                };
                self.client = ClientIdentity::read(&properties);
                let known =
                    Mechanism::from_name(mechanism).filter(|known| self.terms.mechanisms.contains(known));
                let Some(mechanism) = known else {
                    self.effects.push_back(Effect::TurnAway("a mechanism that is not offered"));
                    // RabbitMQ says nothing to who cannot say who it is.
                    return self.end_slowly(now);
                };
                self.phase = Phase::LoggingIn;
                let response = Bytes::copy_from_slice(response);
                self.effects.push_back(Effect::Login { mechanism, response });
            }
            (Phase::Tuning, Method::TuneOk { channel_max, frame_max, heartbeat }) => {
                self.handle_tune_ok(now, id, channel_max, frame_max, heartbeat);
            }
            (Phase::Tuned, Method::ConnectionOpen { vhost }) => {
                self.phase = Phase::Opening;
                self.vhost = vhost.to_owned();
                self.effects.push_back(Effect::OpenVhost(vhost.to_owned()));
            }
            (_, Method::ConnectionClose { .. }) => {
                self.say(0, &Reply::ConnectionCloseOk);
                self.end();
            }
            _ => {
                let text = format!("unexpected method {id} while the connection is not open");
                self.fail(now, AmqpError::new(ReplyCode::CommandInvalid, text).of(id));
            }
        }
    }

    /// The answer to [`Effect::Login`]: the user's name, or nobody.
    pub fn handle_login(&mut self, now: Instant, mechanism: Mechanism, user: Option<String>) {
        if self.phase != Phase::LoggingIn {
            return;
        }
        let Some(user) = user else {
            if !self.client.authentication_failure_close {
                return self.end_slowly(now);
            }
            let text = format!(
                "Login was refused using authentication mechanism {}. For details see the broker logfile.",
                mechanism.name()
            );
            return self.fail(now, AmqpError::new(ReplyCode::AccessRefused, text));
        };
        self.user = user;
        self.mechanism = Some(mechanism);
        self.phase = Phase::Tuning;
        let heartbeat = u16::try_from(self.terms.limits.heartbeat.as_secs()).unwrap_or(u16::MAX);
        let (channel_max, frame_max) = (self.terms.limits.channels, self.terms.limits.frame_bytes);
        self.say(0, &Reply::Tune { channel_max, frame_max, heartbeat });
    }

    /// The answer to [`Effect::Renew`].
    pub fn handle_renewal(&mut self, now: Instant, renewed: bool) {
        if self.phase != Phase::Open {
            return;
        }
        if renewed {
            return self.say(0, &Reply::UpdateSecretOk);
        }
        let text = "New secret was refused by one of the backends";
        self.fail(now, AmqpError::new(ReplyCode::NotAllowed, text).of(MethodId { class: 10, method: 70 }));
    }

    /// The client is not who it was any more.
    pub fn handle_lapse(&mut self, now: Instant, why: &str) {
        if matches!(self.phase, Phase::Closing(_) | Phase::Over(_)) {
            return;
        }
        self.fail(now, AmqpError::new(ReplyCode::ConnectionForced, why));
    }

    fn handle_tune_ok(
        &mut self,
        now: Instant,
        id: MethodId,
        channel_max: u16,
        frame_max: u32,
        heartbeat: u16,
    ) {
        let (most_channels, most_frame) = (self.terms.limits.channels, self.terms.limits.frame_bytes);
        let refuse = |what: &str, have: u64, relation: &str, word: &str, most: u64| {
            let none = if have == 0 { " (no limit)" } else { "" };
            let text = format!(
                "negotiated {what} = {have}{none} is {relation} than the {word} allowed value ({most})"
            );
            AmqpError::new(ReplyCode::NotAllowed, text).of(id)
        };
        let higher = |what, have, most| refuse(what, have, "higher", "maximum", most);
        let error = if channel_max > most_channels || (channel_max == 0 && most_channels > 0) {
            Some(higher("channel_max", u64::from(channel_max), u64::from(most_channels)))
        } else if frame_max > 0 && frame_max < FRAME_LEAST {
            Some(refuse("frame_max", u64::from(frame_max), "lower", "minimum", u64::from(FRAME_LEAST)))
        } else if frame_max > most_frame || (frame_max == 0 && most_frame > 0) {
            Some(higher("frame_max", u64::from(frame_max), u64::from(most_frame)))
        } else {
            None
        };
        if let Some(error) = error {
            return self.fail(now, error);
        }
        self.channel_max = channel_max;
        self.frame_max = frame_max;
        self.heartbeats.begin(now, heartbeat);
        self.phase = Phase::Tuned;
    }

    /// The answer to [`Effect::OpenVhost`].
    pub fn handle_vhost(&mut self, now: Instant, answer: VhostAnswer) {
        if self.phase != Phase::Opening {
            return;
        }
        let open = MethodId { class: 10, method: 40 };
        match answer {
            VhostAnswer::Open => {
                self.phase = Phase::Open;
                self.handshake_due = None;
                // What the handshake had to say is longer than much of what follows.
                self.output.give_back();
                self.say(0, &Reply::ConnectionOpenOk);
            }
            VhostAnswer::Refused => {
                let (vhost, user) = (&self.vhost, &self.user);
                let text = format!("access to vhost '{vhost}' refused for user '{user}'");
                self.fail(now, AmqpError::new(ReplyCode::NotAllowed, text).of(open));
            }
            VhostAnswer::Full { kind, name, limit } => {
                let text = format!(
                    "connection refused for {kind} '{name}': {kind} connection limit ({limit}) is reached"
                );
                self.fail(now, AmqpError::new(ReplyCode::NotAllowed, text).of(open));
            }
            VhostAnswer::Unknown => {
                let text = format!("vhost {} not found", self.vhost);
                self.fail(now, AmqpError::new(ReplyCode::NotAllowed, text).of(open));
            }
        }
    }
}
