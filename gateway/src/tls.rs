//! TLS for every door: one certificate, read anew when its file changes, and whom a client's certificate names.

mod certificate;
mod material;
mod stream;

pub use certificate::{ClientCertificate, user_of};
pub use material::{Alpn, Tls, TlsError};
pub use stream::Stream;
