//! `crash.json`: what was saved, by whom, and what went wrong.

use super::source::Span;
use serde::Serialize;

/// Version of the format.
pub const FORMAT: u32 = 1;

/// All of it. A field is absent where there is nothing to say.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// `FORMAT`.
    pub format: u32,
    /// mbtool's version.
    pub mbtool: String,
    /// When, UTC: "2026-11-21T07:54:00Z".
    pub time: String,
    /// Release of the Linux that saved it.
    pub kernel: String,
    /// The machine, where its name is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// That Linux is a dom0 of Xen.
    pub xen: bool,
    /// Where it was saved to, as the configuration has it.
    pub target: String,
    /// What resets the machine if it hangs.
    pub watchdog: String,
    /// The dump.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmcore: Option<Vmcore>,
    /// The file with the kernel's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dmesg: Option<String>,
    /// What did not work, in order, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// From the start to the end.
    pub seconds: f64,
}

/// The dump.
#[derive(Clone, Debug, Serialize)]
pub struct Vmcore {
    /// Name of the file: "vmcore"; "vmcore.flat" in makedumpfile's flattened
    /// format; "vmcore.incomplete" where there was no room for all.
    pub file: String,
    /// The collector's command, or "copy".
    pub method: String,
    /// Size of /proc/vmcore.
    pub source_bytes: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Of the file.
    pub sha256: String,
    /// The file was read back, and has that digest.
    pub verified: bool,
    /// To write it.
    pub seconds: f64,
    /// Bytes that could not be read, and are zeros in a copy.
    pub lost_bytes: u64,
    /// Where they are in the file, the first thousand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Span>,
}

impl Record {
    /// As it is written to the file.
    #[must_use]
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        let text = text.unwrap_or_else(|error| format!("{{\"problems\": [\"{error}\"]}}"));
        format!("{text}\n")
    }
}
