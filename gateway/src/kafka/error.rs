use message::ErrorCode;

use crate::errors;
use crate::refusal::Refusal;

/// An error code of Kafka's protocol, by the name that Kafka's own table has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KafkaError(pub i16);

macro_rules! errors {
    ($($name:ident = $code:literal),* $(,)?) => {
        #[allow(dead_code, reason = "the table is kept whole for the codes that APIs answer")]
        impl KafkaError {
            $(#[doc = concat!("`", stringify!($name), "`")] pub const $name: KafkaError = KafkaError($code);)*
        }
    };
}

errors! {
    UNKNOWN_SERVER_ERROR = -1,
    NONE = 0,
    OFFSET_OUT_OF_RANGE = 1,
    CORRUPT_MESSAGE = 2,
    UNKNOWN_TOPIC_OR_PARTITION = 3,
    NOT_LEADER_OR_FOLLOWER = 6,
    REQUEST_TIMED_OUT = 7,
    MESSAGE_TOO_LARGE = 10,
    OFFSET_METADATA_TOO_LARGE = 12,
    COORDINATOR_NOT_AVAILABLE = 15,
    INVALID_TOPIC_EXCEPTION = 17,
    INVALID_REQUIRED_ACKS = 21,
    ILLEGAL_GENERATION = 22,
    INCONSISTENT_GROUP_PROTOCOL = 23,
    INVALID_GROUP_ID = 24,
    UNKNOWN_MEMBER_ID = 25,
    INVALID_SESSION_TIMEOUT = 26,
    REBALANCE_IN_PROGRESS = 27,
    UNSUPPORTED_SASL_MECHANISM = 33,
    ILLEGAL_SASL_STATE = 34,
    UNSUPPORTED_VERSION = 35,
    TOPIC_ALREADY_EXISTS = 36,
    INVALID_PARTITIONS = 37,
    INVALID_REPLICATION_FACTOR = 38,
    INVALID_REPLICA_ASSIGNMENT = 39,
    INVALID_CONFIG = 40,
    NOT_CONTROLLER = 41,
    INVALID_REQUEST = 42,
    UNSUPPORTED_FOR_MESSAGE_FORMAT = 43,
    POLICY_VIOLATION = 44,
    INVALID_PRODUCER_EPOCH = 47,
    INVALID_TXN_STATE = 48,
    GROUP_AUTHORIZATION_FAILED = 30,
    CLUSTER_AUTHORIZATION_FAILED = 31,
    TOPIC_AUTHORIZATION_FAILED = 29,
    SASL_AUTHENTICATION_FAILED = 58,
    UNACCEPTABLE_CREDENTIAL = 93,
    INVALID_UPDATE_VERSION = 95,
    DUPLICATE_RESOURCE = 92,
    SECURITY_DISABLED = 54,
    OPERATION_NOT_ATTEMPTED = 55,
    LOG_DIR_NOT_FOUND = 57,
    UNKNOWN_PRODUCER_ID = 59,
    REASSIGNMENT_IN_PROGRESS = 60,
    DELEGATION_TOKEN_AUTH_DISABLED = 61,
    DELEGATION_TOKEN_NOT_FOUND = 62,
    DELEGATION_TOKEN_OWNER_MISMATCH = 63,
    DELEGATION_TOKEN_REQUEST_NOT_ALLOWED = 64,
    DELEGATION_TOKEN_AUTHORIZATION_FAILED = 65,
    DELEGATION_TOKEN_EXPIRED = 66,
    INVALID_PRINCIPAL_TYPE = 67,
    NON_EMPTY_GROUP = 68,
    GROUP_ID_NOT_FOUND = 69,
    FETCH_SESSION_ID_NOT_FOUND = 70,
    INVALID_FETCH_SESSION_EPOCH = 71,
    FENCED_LEADER_EPOCH = 74,
    UNKNOWN_LEADER_EPOCH = 75,
    UNSUPPORTED_COMPRESSION_TYPE = 76,
    MEMBER_ID_REQUIRED = 79,
    ELIGIBLE_LEADERS_NOT_AVAILABLE = 83,
    ELECTION_NOT_NEEDED = 84,
    NO_REASSIGNMENT_IN_PROGRESS = 85,
    GROUP_SUBSCRIBED_TO_TOPIC = 86,
    INVALID_RECORD = 87,
    UNSTABLE_OFFSET_COMMIT = 88,
    THROTTLING_QUOTA_EXCEEDED = 89,
    PRODUCER_FENCED = 90,
    RESOURCE_NOT_FOUND = 91,
    UNKNOWN_TOPIC_ID = 100,
    INCONSISTENT_TOPIC_ID = 103,
    FETCH_SESSION_TOPIC_ID_ERROR = 106,
    MISMATCHED_ENDPOINT_TYPE = 114,
    UNSUPPORTED_ENDPOINT_TYPE = 115,
    INVALID_RECORD_STATE = 121,
    SHARE_SESSION_NOT_FOUND = 122,
    INVALID_SHARE_SESSION_EPOCH = 123,
    FENCED_STATE_EPOCH = 124,
    INVALID_REGULAR_EXPRESSION = 128,
    SHARE_SESSION_LIMIT_REACHED = 133,
}

impl KafkaError {
    /// Whether it is an error at all.
    pub fn is_error(self) -> bool {
        self != KafkaError::NONE
    }
}

impl From<ErrorCode> for KafkaError {
    fn from(code: ErrorCode) -> KafkaError {
        KafkaError(errors::mapping(code).kafka)
    }
}

impl From<&Refusal> for KafkaError {
    fn from(refusal: &Refusal) -> KafkaError {
        KafkaError::from(refusal.code)
    }
}

/// An error with words for whoever sent the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The code.
    pub error: KafkaError,
    /// One sentence that says what to do.
    pub why: String,
}

impl Wrong {
    /// An error and why.
    pub fn new(error: KafkaError, why: impl Into<String>) -> Wrong {
        Wrong { error, why: why.into() }
    }

    /// Something that a request may name once only.
    pub fn named_twice(what: &str) -> Wrong {
        Wrong::new(KafkaError::INVALID_REQUEST, format!("the request names this {what} more than once"))
    }
}

impl From<Refusal> for Wrong {
    fn from(refusal: Refusal) -> Wrong {
        Wrong { error: KafkaError::from(&refusal), why: refusal.detail }
    }
}
