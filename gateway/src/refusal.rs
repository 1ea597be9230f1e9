use std::fmt;

use message::{ErrorCode, NameError};

/// Why a request was not carried out, in words for whoever sent it. Every door turns it into its own form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What went wrong.
    pub code: ErrorCode,
    /// One sentence that tells the user what to do.
    pub detail: String,
    /// The field, parameter or header that was at fault, as a JSON pointer or a name.
    pub field: Option<String>,
    /// When a retry may succeed.
    pub retry_after_ms: Option<u64>,
    /// The records of a batch that are at fault themselves, by their place in it, and why.
    pub records: Box<[(u32, String)]>,
}

impl Refusal {
    /// A refusal that names no field.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Refusal {
        Refusal { code, detail: detail.into(), field: None, retry_after_ms: None, records: Box::default() }
    }

    /// The request does not follow the documented form, in `field`.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Refusal {
        Refusal { field: Some(field.into()), ..Refusal::new(ErrorCode::InvalidRequest, detail) }
    }

    /// The same refusal, naming the field at fault.
    #[must_use]
    pub fn in_field(mut self, field: impl Into<String>) -> Refusal {
        self.field = Some(field.into());
        self
    }

    /// The same refusal, saying when to try again.
    #[must_use]
    pub fn retry_after(mut self, ms: u64) -> Refusal {
        self.retry_after_ms = Some(ms);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl std::error::Error for Refusal {}

impl From<NameError> for Refusal {
    fn from(error: NameError) -> Refusal {
        Refusal::new(error.code(), error.to_string())
    }
}
