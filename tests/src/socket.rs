//! A WebSocket client of the subprotocol `sluice.v1.json` that holds both sides to `openapi/asyncapi.yaml`.

use std::collections::VecDeque;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error as WsError;
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::asyncapi;
use crate::deadline::soon;
use crate::server::Server;

/// The JSON subprotocol.
pub const JSON: &str = "sluice.v1.json";
/// The binary subprotocol.
pub const BINARY: &str = "sluice.v1.binary";

/// An open WebSocket.
#[derive(Debug)]
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    next_id: u64,
    aside: VecDeque<Value>,
}

/// How a socket ended: close code (1006 when there was none) and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The close code of RFC 6455.
    pub code: u16,
    /// The server's words.
    pub reason: String,
}

impl Socket {
    /// Opens a JSON socket.
    pub async fn open(server: &Server) -> Socket {
        match Socket::try_open(server.address(), JSON, &[]).await {
            Ok(socket) => socket,
            Err(error) => panic!("no WebSocket: {error}"),
        }
    }

    /// Opens a socket of any subprotocol with extra headers; the error is the refusal's status, 0 when there is none.
    pub async fn try_open(
        address: &str,
        subprotocol: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, String> {
        Socket::try_open_at(address, "/v1/ws", subprotocol, headers).await
    }

    /// The same at a path that says more.
    pub async fn try_open_at(
        address: &str,
        path: &str,
        subprotocol: &str,
        headers: &[(&str, &str)],
    ) -> Result<Socket, String> {
        let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
        if !subprotocol.is_empty() {
            request
                .headers_mut()
                .insert("sec-websocket-protocol", subprotocol.parse().expect("a header value"));
        }
        for (name, value) in headers {
            let name: hyper::header::HeaderName = name.parse().expect("a header name");
            request.headers_mut().insert(name, value.parse().expect("a header value"));
        }
        let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let _ = stream.set_nodelay(true);
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        match soon("the upgrade", client_async_with_config(request, stream, Some(config))).await {
            Ok((stream, _)) => Ok(Socket { stream, next_id: 1, aside: VecDeque::new() }),
            Err(WsError::Http(response)) => Err(format!("status {}", response.status().as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Sends a command and returns its id; the reply comes among the frames.
    pub async fn send(&mut self, kind: &str, fields: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let mut command = json!({"id": id, "type": kind});
        if let (Some(command), Value::Object(fields)) = (command.as_object_mut(), fields) {
            command.extend(fields);
        }
        asyncapi::check_sent(&command);
        self.send_text(&command.to_string()).await;
        id
    }

    /// Sends any text frame, documented or not.
    pub async fn send_text(&mut self, text: &str) {
        // A send can fail only when the server has closed; the next receive tells.
        let _ = soon("a frame is sent", self.stream.send(Message::text(text))).await;
    }

    /// Sends any binary frame.
    pub async fn send_bytes(&mut self, bytes: impl Into<Bytes>) {
        let _ = soon("a frame is sent", self.stream.send(Message::binary(bytes))).await;
    }

    /// Sends a command, waits for its reply and claims that it was carried out. Other frames are kept for later.
    pub async fn ask(&mut self, kind: &str, fields: Value) -> Value {
        match self.try_ask(kind, fields.clone()).await {
            Ok(reply) => reply,
            Err(problem) => panic!("{kind} {fields} was refused: {problem}"),
        }
    }

    /// [`Socket::ask`] for a command that may be refused; the error is the problem document.
    pub async fn try_ask(&mut self, kind: &str, fields: Value) -> Result<Value, Value> {
        let id = self.send(kind, fields).await;
        let reply = self.reply_to(&json!(id)).await;
        if reply["type"] == "ok" { Ok(reply) } else { Err(reply["error"].clone()) }
    }

    /// Waits for the reply to that id. Other frames are kept for later.
    pub async fn reply_to(&mut self, id: &Value) -> Value {
        if let Some(at) = self.aside.iter().position(|frame| frame.get("id") == Some(id)) {
            return self.aside.remove(at).expect("it was just found");
        }
        loop {
            let frame =
                self.receive().await.unwrap_or_else(|closed| panic!("closed before the reply: {closed:?}"));
            if frame.get("id") == Some(id) {
                return frame;
            }
            self.aside.push_back(frame);
        }
    }

    /// The next frame of any kind.
    pub async fn frame(&mut self) -> Result<Value, Closed> {
        match self.aside.pop_front() {
            Some(frame) => Ok(frame),
            None => self.receive().await,
        }
    }

    /// The next frame with this `type`. Other frames are kept for later.
    pub async fn frame_of(&mut self, kind: &str) -> Value {
        if let Some(at) = self.aside.iter().position(|frame| frame["type"] == kind) {
            return self.aside.remove(at).expect("it was just found");
        }
        loop {
            let frame =
                self.receive().await.unwrap_or_else(|closed| panic!("closed before a {kind}: {closed:?}"));
            if frame["type"] == kind {
                return frame;
            }
            self.aside.push_back(frame);
        }
    }

    /// Messages until there are `count` of them, whatever subscription they belong to.
    pub async fn messages(&mut self, count: usize) -> Vec<Value> {
        let mut messages = Vec::new();
        while messages.len() < count {
            let frame = self.frame_of("message").await;
            messages.extend(crate::api::list(&frame, "messages"));
        }
        assert_eq!(messages.len(), count, "more came than were expected");
        messages
    }

    /// Frames that arrive before the reply to a fresh `ping`: what the server had to say so far.
    pub async fn so_far(&mut self) -> Vec<Value> {
        self.ask("ping", json!({})).await;
        self.aside.drain(..).collect()
    }

    /// Waits for the end; frames before it are dropped.
    pub async fn closed(&mut self) -> Closed {
        loop {
            if let Err(closed) = self.receive().await {
                return closed;
            }
        }
    }

    /// The next binary frame, of the binary subprotocol.
    pub async fn bytes(&mut self) -> Result<Bytes, Closed> {
        loop {
            match self.raw().await? {
                Message::Binary(bytes) => return Ok(bytes),
                Message::Text(text) => panic!("a text frame on a binary socket: {text}"),
                _ => {}
            }
        }
    }

    /// Closes it properly.
    pub async fn close(mut self) {
        let _ = self.stream.close(None).await;
        while self.raw().await.is_ok() {}
    }

    /// Where it comes from, as the server sees it.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().expect("it is connected")
    }

    /// The TCP connection underneath, to misuse.
    pub fn into_tcp(self) -> TcpStream {
        self.stream.into_inner()
    }

    async fn receive(&mut self) -> Result<Value, Closed> {
        loop {
            match self.raw().await? {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text)
                        .unwrap_or_else(|_| panic!("a frame that is not JSON: {text}"));
                    asyncapi::check_received(&frame);
                    return Ok(frame);
                }
                Message::Binary(bytes) => panic!("a binary frame on a JSON socket: {bytes:?}"),
                _ => {}
            }
        }
    }

    async fn raw(&mut self) -> Result<Message, Closed> {
        let lost = |why: String| Closed { code: 1006, reason: why };
        match soon("the next frame", self.stream.next()).await {
            Some(Ok(Message::Close(Some(frame)))) => {
                let closed = Closed { code: frame.code.into(), reason: frame.reason.to_string() };
                // Answering the close is the library's task, which it does while it is asked for more.
                while let Some(Ok(_)) = soon("the end after a close", self.stream.next()).await {}
                Err(closed)
            }
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(lost(error.to_string())),
            None => Err(lost("the end of the stream".into())),
        }
    }
}
