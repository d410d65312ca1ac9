//! `crash.json`: description of the saved dump, and problems.

use super::source::Span;
use serde::Serialize;

/// Version of the format.
pub const FORMAT: u32 = 1;

/// The document. Fields without a value are absent.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DumpInfo {
    /// Version of the format.
    pub format: u32,
    /// mbtool's version.
    pub mbtool: String,
    /// Time of the save, UTC: "2026-11-21T07:54:00Z".
    pub time: String,
    /// Release of the Linux that saved the dump.
    pub kernel: String,
    /// Host name, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// True when that Linux is a dom0 of Xen.
    pub xen: bool,
    /// Destination, as in the configuration.
    pub target: String,
    /// Description of the watchdog.
    pub watchdog: String,
    /// The dump.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmcore: Option<Vmcore>,
    /// Name of the file with the kernel log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmesg: Option<String>,
    /// Problems in order, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Total time in seconds.
    pub seconds: f64,
}

/// The dump.
#[derive(Clone, Debug, Serialize)]
pub struct Vmcore {
    /// Name of the file: "vmcore"; "vmcore.flat" in makedumpfile's flattened
    /// format; "vmcore.incomplete" if it was truncated for lack of space.
    pub file: String,
    /// The collector's command, or "copy".
    pub method: String,
    /// Size of /proc/vmcore in bytes.
    pub source_bytes: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: String,
    /// True when the file was read back with that digest.
    pub verified: bool,
    /// Time to write it, in seconds.
    pub seconds: f64,
    /// Number of bytes that could not be read, and are zeros in a copy.
    pub lost_bytes: u64,
    /// Ranges of these bytes in the file, the first thousand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Span>,
}

impl DumpInfo {
    /// Formats the document for the file.
    #[must_use]
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        let text = text.unwrap_or_else(|error| format!("{{\"problems\": [\"{error}\"]}}"));
        format!("{text}\n")
    }
}
