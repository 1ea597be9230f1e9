//! Holds the design's invariants over the source tree and cargo's view of it. Nothing runs here.

mod documents;
mod layers;
mod source;
mod style;
