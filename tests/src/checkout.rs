//! Where things lie in the source tree and in cargo's output.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_path_buf()
}

/// The server's binary, brought up to date once per test process.
///
/// `BLACKBOX_BINARY` names another one to test instead.
#[must_use]
pub fn sluice() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(path) = std::env::var_os("BLACKBOX_BINARY") {
            return PathBuf::from(path);
        }
        built("sluice")
    })
}

/// Brings the binary of that package up to date, in the profile of this test, and answers where it is.
#[must_use]
pub fn built(package: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    // The whole workspace, so that features are those of the test itself and nothing is built twice.
    build.current_dir(root()).args(["build", "--quiet", "--workspace", "--bin", package]);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(build.status().expect("cargo runs").success(), "{package} does not build");
    profile_dir().join(package)
}

/// The directory of this build's binaries: `target/debug` or `target/release`.
#[must_use]
pub fn profile_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("the test knows its own path");
    let deps = exe.parent().expect("test binaries lie in a directory");
    if deps.ends_with("deps") {
        deps.parent().expect("deps lies in the profile").to_path_buf()
    } else {
        deps.to_path_buf()
    }
}

/// A directory for what tests write, outside the source tree.
#[must_use]
pub fn scratch() -> PathBuf {
    let target = profile_dir().parent().expect("a profile lies in target").to_path_buf();
    target.join("blackbox")
}
