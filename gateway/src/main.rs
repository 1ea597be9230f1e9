//! The `sluice` binary.

use std::process::ExitCode;

use clap::Parser;
use sluice::cli::{self, Cli};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    cli::run(Cli::parse(), environment).unwrap_or_else(|error| {
        // Without the backtrace that `RUST_BACKTRACE` would add: what went wrong is what the user asked for.
        eprintln!("Error: {error:#}");
        ExitCode::FAILURE
    })
}
