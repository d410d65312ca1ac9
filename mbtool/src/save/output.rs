//! Output of a program: lines for the console, and the last ones for an error.

use super::console::ProgressConsole;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of output lines in an error.
const TAIL: usize = 6;
/// Maximum size of captured standard output, and of one line, in bytes.
const KEPT: usize = 64 << 10;
/// Captured output of a child.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) bytes: AtomicU64,
    pub(super) stdout: Mutex<Vec<u8>>,
    tail: Mutex<VecDeque<String>>,
    /// The current status line.
    pub(super) state: Mutex<String>,
}

impl Heard {
    /// Returns the last lines, for an error.
    pub(super) fn last_lines(&self) -> Vec<String> {
        let tail = self.tail.lock();
        tail.map(|tail| tail.iter().cloned().collect())
            .unwrap_or_default()
    }
}

/// Reads an output to its end; lines that end in `\r` are printed as status.
pub(super) fn hear(
    mut from: impl Read,
    heard: &Heard,
    console: Option<&ProgressConsole>,
    keep: bool,
) {
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        heard.bytes.fetch_add(count as u64, Ordering::Relaxed);
        let bytes = &buffer[..count];
        if keep && let Ok(mut kept) = heard.stdout.lock() {
            let left = KEPT.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..count.min(left)]);
        }
        for &byte in bytes {
            match byte {
                b'\n' | b'\r' => one(&mut line, byte == b'\r', heard, console),
                byte if line.len() < KEPT => line.push(byte),
                _ => {}
            }
        }
    }
    one(&mut line, false, heard, console);
}

/// Handles a complete line or status.
fn one(line: &mut Vec<u8>, changes: bool, heard: &Heard, console: Option<&ProgressConsole>) {
    let text = String::from_utf8_lossy(line);
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    if !text.is_empty() {
        if let Some(console) = console {
            if let Ok(mut state) = heard.state.lock() {
                if changes {
                    text.clone_into(&mut state);
                } else {
                    state.clear();
                }
            }
            if !changes {
                console.line(text);
            }
        }
        if let Ok(mut tail) = heard.tail.lock()
            && !changes
        {
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(text.chars().take(200).collect());
        }
    }
    line.clear();
}
