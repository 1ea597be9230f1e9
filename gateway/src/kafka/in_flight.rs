use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// What becomes of a request.
pub enum Answer {
    /// A whole frame, in pieces.
    Frame(Vec<Bytes>),
    /// The same, and the last one of the connection.
    Last(Vec<Bytes>),
    /// The client wants none.
    Silence,
    /// The request cannot be read or answered: the connection ends.
    Close(String),
}

/// A request that is being answered.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

struct Entry {
    state: State,
    /// Whether the next request may be worked on before this one is answered.
    pipelined: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

enum State {
    Pending(Answering),
    Done(Answer),
}

/// The requests of one connection that are not answered yet, in the order in which they came and are answered.
#[derive(Default)]
pub struct InFlight {
    entries: VecDeque<Entry>,
}

impl InFlight {
    /// Whether nothing waits for an answer.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether a request may be worked on now: alone, or among others that all may be.
    pub fn admits(&self, pipelined: bool, most: usize) -> bool {
        match self.entries.back() {
            None => true,
            Some(last) => pipelined && last.pipelined && self.entries.len() < most,
        }
    }

    /// Takes a request and works on it at once as far as that goes without waiting.
    pub fn push(
        &mut self,
        mut answering: Answering,
        pipelined: bool,
        permit: Option<OwnedSemaphorePermit>,
        cx: &mut Context<'_>,
    ) {
        let state = match answering.as_mut().poll(cx) {
            Poll::Ready(answer) => State::Done(answer),
            Poll::Pending => State::Pending(answering),
        };
        self.entries.push_back(Entry { state, pipelined, _permit: permit });
    }

    /// The answer to the oldest request.
    pub fn poll_front(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let Some(front) = self.entries.front_mut() else { return Poll::Pending };
        if let State::Pending(answering) = &mut front.state {
            let answer = ready!(answering.as_mut().poll(cx));
            front.state = State::Done(answer);
        }
        match self.entries.pop_front().map(|entry| entry.state) {
            Some(State::Done(answer)) => Poll::Ready(answer),
            Some(State::Pending(_)) | None => Poll::Pending,
        }
    }
}
