use std::fmt::Display;

use super::wire::MethodId;

/// What went wrong, as AMQP numbers and names it (specification, 1.2 and class constants).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyCode {
    /// 320: an operator closed the connection.
    ConnectionForced,
    /// 403
    AccessRefused,
    /// 404
    NotFound,
    /// 405
    ResourceLocked,
    /// 406
    PreconditionFailed,
    /// 501: bytes that are no frame.
    FrameError,
    /// 502: a frame that cannot be read.
    SyntaxError,
    /// 503: not now, or not at all.
    CommandInvalid,
    /// 504: about the channel itself.
    ChannelError,
    /// 505: a frame where another belongs.
    UnexpectedFrame,
    /// 506: there is not enough of something.
    ResourceError,
    /// 530
    NotAllowed,
    /// 540
    NotImplemented,
    /// 541
    InternalError,
}

impl ReplyCode {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u16 {
        self.row().0
    }

    /// Its name, with which RabbitMQ begins every text.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> (u16, &'static str) {
        match self {
            ReplyCode::ConnectionForced => (320, "CONNECTION_FORCED"),
            ReplyCode::AccessRefused => (403, "ACCESS_REFUSED"),
            ReplyCode::NotFound => (404, "NOT_FOUND"),
            ReplyCode::ResourceLocked => (405, "RESOURCE_LOCKED"),
            ReplyCode::PreconditionFailed => (406, "PRECONDITION_FAILED"),
            ReplyCode::FrameError => (501, "FRAME_ERROR"),
            ReplyCode::SyntaxError => (502, "SYNTAX_ERROR"),
            ReplyCode::CommandInvalid => (503, "COMMAND_INVALID"),
            ReplyCode::ChannelError => (504, "CHANNEL_ERROR"),
            ReplyCode::UnexpectedFrame => (505, "UNEXPECTED_FRAME"),
            ReplyCode::ResourceError => (506, "RESOURCE_ERROR"),
            ReplyCode::NotAllowed => (530, "NOT_ALLOWED"),
            ReplyCode::NotImplemented => (540, "NOT_IMPLEMENTED"),
            ReplyCode::InternalError => (541, "INTERNAL_ERROR"),
        }
    }

    /// Whether it takes the connection with it rather than just the channel.
    #[must_use]
    pub fn closes_connection(self) -> bool {
        let number = self.number();
        number == 320 || number >= 500
    }
}

/// A violation: what is said when a channel or the connection is closed over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpError {
    /// What kind.
    pub code: ReplyCode,
    /// In words, the code's name in front.
    pub text: String,
    /// The method at fault; [`MethodId::NONE`] where there is none.
    pub fault: MethodId,
}

impl AmqpError {
    /// An error that no method is to blame for.
    pub fn new(code: ReplyCode, text: impl Display) -> AmqpError {
        AmqpError { code, text: format!("{} - {text}", code.name()), fault: MethodId::NONE }
    }

    /// The same error, blaming a method.
    #[must_use]
    pub fn of(self, fault: MethodId) -> AmqpError {
        AmqpError { fault, ..self }
    }
}
