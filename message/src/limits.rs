/// Sizes that nothing may exceed, whatever door it came through. Each is a key of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest message body, in bytes.
    pub message_bytes: usize,
    /// Largest set of headers of one message, in bytes as stored.
    pub header_bytes: usize,
    /// Largest key, in bytes.
    pub key_bytes: usize,
    /// Most bytes that a compressed batch may grow to when it is opened.
    pub decompressed_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            message_bytes: 16 << 20,
            header_bytes: 64 << 10,
            key_bytes: 64 << 10,
            decompressed_bytes: 64 << 20,
        }
    }
}
