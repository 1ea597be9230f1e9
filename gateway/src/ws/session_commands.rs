//! What a client asks: each command is answered at once, or becomes an effect whose outcome answers it.

use message::ErrorCode;

use super::answer::Answer;
use super::command::{Auth, BadFrame, Command, CommandId};
use super::effect::Effect;
use super::session::{Phase, Session, close};
use crate::refusal::Refusal;

impl Session {
    pub(super) fn handle_bad_frame(&mut self, bad: BadFrame) {
        self.push_reply(bad.id, Err(bad.refusal));
        if bad.garbage {
            self.protocol_errors += 1;
            if self.protocol_errors >= self.limits.protocol_errors {
                self.close(close::INVALID_DATA, "too many frames that are no commands");
            }
        }
    }

    pub(super) fn handle_command(&mut self, id: CommandId, command: Command) {
        let draining = self.phase != Phase::Open;
        if draining && matches!(command, Command::Subscribe(_) | Command::Publish(_)) {
            let why = "the server is going down; connect again and repeat the command";
            return self
                .push_reply(Some(id), Err(Refusal::new(ErrorCode::ShuttingDown, why).retry_after(1000)));
        }
        let done = match command {
            Command::Subscribe(ask) => return self.subscribe(id, ask),
            Command::Publish(publish) => {
                self.in_flight += 1;
                self.published += publish.bytes();
                return self.effects.push_back(Effect::Publish { id, publish: Box::new(publish) });
            }
            Command::Message(ask) => {
                self.in_flight += 1;
                return self.effects.push_back(Effect::Message { id, ask });
            }
            Command::Settle(settle) => {
                self.in_flight += 1;
                return self.settle(id, settle);
            }
            Command::AckRecords(ack) => return self.ack_records(id, &ack),
            Command::Commit(commit) => return self.commit(id, commit),
            Command::Credit(subscription, grant) => self.grant(subscription, grant),
            Command::Pause(subscription, partitions) => self.pause(subscription, partitions.as_deref()),
            Command::Resume(subscription, partitions) => self.resume(subscription, partitions.as_deref()),
            Command::Unsubscribe(subscription) => self.unsubscribe(subscription),
            Command::Auth(Auth { token }) => {
                self.in_flight += 1;
                self.logging_in = true;
                return self.effects.push_back(Effect::LogIn { id, token });
            }
            Command::Ping => Ok(Answer::Done),
        };
        self.push_reply(Some(id), done);
    }
}
