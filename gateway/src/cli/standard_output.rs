//! What a command prints for others to read.

use std::io::{self, Write};

/// Prints a text. A reader that has seen enough and closes the pipe, as `grep -q` and `head` do, is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}
