//! What the broker is measured against: the same axum and hyper with handlers that do nothing but read and answer.
//!
//! `POST /` reads the body and answers 200; `GET /file` downloads `<scratch>/file`; `GET /echo` is a WebSocket that
//! sends back what it gets; `GET /echo-synced` does so after one `fdatasync` of it to a preallocated file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{get, post};
use rustix::fs::{FallocateFlags, Mode, OFlags};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let scratch = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(serve(scratch));
}

async fn serve(scratch: PathBuf) {
    let scratch = Arc::new(scratch);
    let (download, synced) = (scratch.clone(), scratch);
    let app = Router::new()
        .route("/", post(|_body: Bytes| async { "{}" }))
        .route("/file", get(move || file(download.join("file"))))
        .route(
            "/echo",
            get(|upgrade: WebSocketUpgrade| async { upgrade.on_upgrade(|socket| echo(socket, None)) }),
        )
        .route(
            "/echo-synced",
            get(move |upgrade: WebSocketUpgrade| {
                let file = preallocated(&synced.join("synced"));
                async { upgrade.on_upgrade(|socket| echo(socket, Some(file))) }
            }),
        )
        .layer(axum::extract::DefaultBodyLimit::max(64 << 20));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("bare is ready: http://{}", listener.local_addr().expect("an address"));
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await.expect("serving goes on");
}

async fn file(path: PathBuf) -> Response {
    let file = tokio::fs::File::open(path).await.expect("the file to download");
    let length = file.metadata().await.expect("metadata").len();
    let stream = tokio_util::io::ReaderStream::with_capacity(file, 256 * 1024);
    Response::builder().header("content-length", length).body(Body::from_stream(stream)).expect("an answer")
}

/// 64 MiB of written zeros, as the broker's journal has them, so that a sync writes data only.
fn preallocated(path: &Path) -> std::fs::File {
    let flags = OFlags::CREATE | OFlags::RDWR;
    let file =
        std::fs::File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600)).expect("a file"));
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, 64 << 20).expect("room");
    let zeros = vec![0; 1 << 20];
    for chunk in 0..64 {
        std::os::unix::fs::FileExt::write_all_at(&file, &zeros, chunk << 20).expect("room");
    }
    file.sync_all().expect("a sync");
    file
}

async fn echo(mut socket: WebSocket, file: Option<std::fs::File>) {
    let mut at = 0;
    while let Some(Ok(message)) = socket.recv().await {
        let Message::Binary(bytes) = message else { continue };
        if let Some(file) = &file {
            std::os::unix::fs::FileExt::write_all_at(file, &bytes, at % (60 << 20)).expect("a write");
            rustix::fs::fdatasync(file).expect("a sync");
            at += bytes.len() as u64;
        }
        if socket.send(Message::Binary(bytes)).await.is_err() {
            return;
        }
    }
}
