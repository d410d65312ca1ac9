//! A Linux guest of another architecture, with mbtool.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::guest::{STAGE1, Stage1};
use serde_json::Value;

use crate::attempt::{self, Attempt, attempts};
use crate::guest_binary::cross_mbtool_bin;
use crate::machine::{Machine, VirtBoard};
use crate::outcome::Outcome;

/// Some ten times what the slowest run takes on two free cores.
pub const VIRT_DEADLINE: Duration = Duration::from_secs(300);

/// Returns a first stage for `board` that runs `script`, with mbtool and `attempt`.
pub fn virt_stage1(board: &'static VirtBoard, script: &str) -> Result<Stage1> {
    attempt::install(Stage1::on(board.busybox, script)?)?
        .file("bin/mbtool", &cross_mbtool_bin(board.target)?)
}

/// Runs `script` to its end on a machine of `board` with `cpus` CPUs.
pub fn run_virt(name: &str, board: &'static VirtBoard, cpus: u32, script: &str) -> Result<Outcome> {
    let end = format!("{STAGE1}END");
    Machine::virt(board, virt_stage1(board, script)?.finish()?)?
        .cpus(cpus)
        .run(name, VIRT_DEADLINE, &[&end])?
        .ended_with(&end)
}

/// Returns the attempt of this name.
///
/// # Errors
///
/// It was not made, or did not end with `status`.
pub fn attempted(outcome: &Outcome, name: &str, status: i32) -> Result<Attempt> {
    let found = attempts(outcome)?
        .into_iter()
        .find(|attempt| attempt.name == name)
        .with_context(|| format!("{name} was not tried: {}", outcome.describe()))?;
    ensure!(
        found.status == status,
        "{name} ended with {}: {}{}",
        found.status,
        found.stdout,
        found.stderr
    );
    Ok(found)
}

/// Returns the document that an attempt printed; it ended with `status`.
///
/// # Errors
///
/// As [`attempted`], and text that is no JSON.
pub fn document(outcome: &Outcome, name: &str, status: i32) -> Result<Value> {
    let found = attempted(outcome, name, status)?;
    serde_json::from_str(&found.stdout).with_context(|| format!("{name}: {}", found.stdout))
}
