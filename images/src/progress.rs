//! Progress lines, written directly to stderr, so that libtest does not capture
//! them.

use std::io::Write;

/// Writes `[topic] text` as one line to stderr. Errors, such as a closed stderr, are ignored.
pub fn say(topic: &str, text: impl std::fmt::Display) {
    let line = format!("[{topic}] {text}\n");
    if cfg!(test) {
        // captured in this crate's own tests
        eprint!("{line}");
        return;
    }
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}
