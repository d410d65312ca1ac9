//! Progress lines: written to stderr itself, so that libtest does not capture them.

use std::io::Write;

/// Writes `[topic] text` as one line to stderr. A closed stderr is no reason to fail, so errors are ignored.
pub fn say(topic: &str, text: impl std::fmt::Display) {
    let line = format!("[{topic}] {text}\n");
    if cfg!(test) {
        // In this crate's own tests: captured.
        eprint!("{line}");
        return;
    }
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}
