//! What is to be saved, and how.

use crate::config::Save;
use std::path::Path;

/// The file that has the sum of the dump.
pub const SUM: &str = "vmcore.sha256";
/// The record of all ([`super::record`]).
pub const RECORD: &str = "crash.json";
/// The kernel's log.
pub const DMESG: &str = "dmesg.txt";
/// The dump.
pub const VMCORE: &str = "vmcore";
/// What a file is called until it is complete.
pub const PARTIAL: &str = ".partial";
/// Tries to find a name for the directory that is free.
pub const NAMES: u32 = 100;

/// A dump to save.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The dump.
    pub vmcore: &'a Path,
    /// Its size in bytes.
    pub size: u64,
    /// What the configuration says.
    pub save: &'a Save,
    /// Name of the directory to make: "crash-20261121-075400".
    pub name: &'a str,
    /// The machine goes down afterwards: what is kept in memory is lost.
    pub goes_down: bool,
    /// The program that reaches another machine: ssh(1).
    pub ssh: &'a Path,
    /// Read copies back.
    pub verify: bool,
}
