//! cargo inside of a program that cargo started.

use std::env;
use std::ffi::OsString;
use std::process::{Command, Stdio};

/// Variables of an outer cargo that are settings of the user.
const INHERITED: [&str; 4] = [
    "CARGO_HOME",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRIES_",
];

/// Variables that change a build.
const FLAGS: [&str; 7] = [
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_TARGET_DIR",
    "MAKEFLAGS",
];

/// Returns a cargo command whose build depends on its arguments only: variables that an outer cargo
/// has set for this process, and flags of the caller, are removed.
#[must_use]
pub fn command() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO") && !INHERITED.iter().any(|i| name.starts_with(i)) {
            command.env_remove(&*name);
        }
    }
    for name in FLAGS {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}
