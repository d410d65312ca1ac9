//! A dump to save, and its options.

use crate::config::Save;
use std::path::Path;

/// Name of the checksum file.
pub const SUM: &str = "vmcore.sha256";
/// Name of the record ([`super::record`]).
pub const RECORD: &str = "crash.json";
/// Name of the kernel log.
pub const DMESG: &str = "dmesg.txt";
/// Name of the dump.
pub const VMCORE: &str = "vmcore";
/// Suffix of an incomplete file.
pub const PARTIAL: &str = ".partial";
/// Number of attempts to find a free directory name.
pub const NAMES: u32 = 100;

/// A dump to save.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Path of the dump.
    pub vmcore: &'a Path,
    /// Its size in bytes.
    pub size: u64,
    /// `[save]` of the configuration.
    pub save: &'a Save,
    /// Name of the new directory: "crash-20261121-075400".
    pub name: &'a str,
    /// True when the machine goes down afterwards, which loses data in memory.
    pub goes_down: bool,
    /// Path of ssh(1).
    pub ssh: &'a Path,
    /// Verify copies by reading them back.
    pub verify: bool,
}
