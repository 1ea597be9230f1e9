//! A WebSocket for the terminal, for whoever has none: each line of standard input is sent as a frame, each frame that
//! comes is printed as a line.
//!
//! `tour [--frames N] [ws://HOST:PORT/v1/ws]` ends after N frames, or when the server closes.

use std::process::ExitCode;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut frames = usize::MAX;
    let mut url = "ws://127.0.0.1:8080/v1/ws".to_owned();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--frames" => match words.next().and_then(|count| count.parse().ok()) {
                Some(count) => frames = count,
                None => return explain("--frames needs a number"),
            },
            address if address.starts_with("ws://") => url = address.to_owned(),
            other => return explain(&format!("{other:?} is neither --frames nor a ws:// address")),
        }
    }
    match talk(&url, frames).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => explain(&format!("{url}: {error}")),
    }
}

fn explain(why: &str) -> ExitCode {
    eprintln!("tour: {why}\nusage: tour [--frames N] [ws://HOST:PORT/v1/ws]");
    ExitCode::FAILURE
}

async fn talk(url: &str, mut frames: usize) -> Result<(), Box<dyn std::error::Error>> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "sluice.v1.json".parse()?);
    let (socket, _) = connect_async(request).await?;
    let (mut sending, mut receiving) = socket.split();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut typing = true;
    while frames > 0 {
        tokio::select! {
            line = lines.next_line(), if typing => match line? {
                Some(line) if line.trim().is_empty() => {}
                Some(line) => sending.send(Message::text(line)).await?,
                // Nothing more to say, but perhaps something to hear.
                None => typing = false,
            },
            frame = receiving.next() => match frame {
                Some(Ok(Message::Text(text))) => {
                    println!("{text}");
                    frames -= 1;
                }
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            },
        }
    }
    sending.close().await?;
    Ok(())
}
