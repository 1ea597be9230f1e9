//! A connection inside TLS or without it, whose two sides cost the client the same otherwise.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// What the client asks the kernel for at a time inside TLS, as without TLS it asks for whole answers: rustls itself would
/// ask for 4 KiB, and the broker wait for it.
const READ_BYTES: usize = 256 << 10;

/// One connection that asks and waits.
pub struct Channel {
    stream: Box<dyn Duplex>,
    answer: Vec<u8>,
}

impl Channel {
    /// Opens it; inside TLS when the file of a CA is named.
    pub fn open(address: SocketAddr, ca: Option<&Path>) -> Channel {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_nodelay(true).expect("a socket");
        let stream: Box<dyn Duplex> = match ca {
            Some(ca) => Box::new(secured(stream, ca)),
            None => Box::new(stream),
        };
        Channel { stream, answer: Vec::new() }
    }

    /// Sends a request.
    pub fn send(&mut self, request: &[u8]) {
        self.stream.write_all(request).expect("the broker reads");
    }

    /// Waits for the next answer of Kafka's protocol: its body.
    pub fn answer(&mut self) -> &[u8] {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("the broker answers");
        self.answer.resize(u32::from_be_bytes(length) as usize, 0);
        self.stream.read_exact(&mut self.answer).expect("a whole answer");
        &self.answer[4..]
    }
}

/// A socket that is read in large pieces.
struct Socket(BufReader<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.get_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.get_mut().flush()
    }
}

fn secured(stream: TcpStream, ca: &Path) -> StreamOwned<ClientConnection, Socket> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).expect("a certificate")).expect("a CA");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let socket = Socket(BufReader::with_capacity(READ_BYTES, stream));
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a client"), socket)
}
