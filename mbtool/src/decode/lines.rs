//! Splits the bytes of a serial log into lines.

use super::noise::{self, ByteCount};
use std::borrow::Cow;

/// Maximum length of a line in bytes; a longer one counts as several.
const LINE_LIMIT: usize = 16 << 10;
/// Percentage of bytes from which the control characters of a line are shown as noise.
const NOISE: u64 = 25;

/// Collects bytes until a line is complete.
#[derive(Debug)]
pub struct Lines {
    pending: Vec<u8>,
    count: usize,
    end: u8,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            pending: Vec::new(),
            count: 0,
            end: b'\n',
        }
    }
}

impl Lines {
    /// For a whole log: a log without a line feed has carriage returns at its line ends.
    #[must_use]
    pub fn of(log: &[u8]) -> Self {
        let end = if log.contains(&b'\n') { b'\n' } else { b'\r' };
        Self {
            end,
            ..Self::default()
        }
    }

    /// Adds bytes; calls `each` for every completed line, with its number from
    /// 1.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(usize, &str)) {
        let end = self.end;
        for mut rest in bytes.split_inclusive(|byte| *byte == end) {
            if self.pending.is_empty() && rest.len() < LINE_LIMIT && rest.ends_with(&[end]) {
                self.count += 1;
                each(self.count, &clean(rest));
                continue;
            }
            while !rest.is_empty() {
                let room = LINE_LIMIT - self.pending.len();
                let (piece, later) = rest.split_at(room.min(rest.len()));
                self.pending.extend_from_slice(piece);
                if self.pending.len() == LINE_LIMIT || piece.ends_with(&[end]) {
                    self.emit(&mut each);
                }
                rest = later;
            }
        }
    }

    /// Ends the input: an incomplete line counts too.
    pub fn finish(&mut self, mut each: impl FnMut(usize, &str)) {
        if !self.pending.is_empty() {
            self.emit(&mut each);
        }
    }

    fn emit(&mut self, each: &mut impl FnMut(usize, &str)) {
        self.count += 1;
        each(self.count, &clean(&self.pending));
        self.pending.clear();
    }
}

/// The text of a line without terminal control: escape sequences (ECMA-48) and
/// control characters. Invalid UTF-8 becomes U+FFFD; where much of the line is no text, its
/// control characters do, too (but NUL, which a reset leaves on a serial line).
#[must_use]
pub fn clean(line: &[u8]) -> Cow<'_, str> {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    if text.iter().all(|byte| *byte == 0) {
        return Cow::Borrowed("");
    }
    let plain = |byte: &u8| matches!(*byte, b' '..=b'~' | b'\t');
    if text.iter().all(plain)
        && let Ok(text) = str::from_utf8(text)
    {
        return Cow::Borrowed(text);
    }
    let mut count = ByteCount::default();
    count.add(text);
    let noise = count.percent() >= NOISE;
    let line = String::from_utf8_lossy(text);
    let mut text = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            if chars.next_if_eq(&'[').is_some() {
                // parameter and intermediate bytes, then one final byte
                while chars.next_if(|c| ('\x20'..='\x3f').contains(c)).is_some() {}
            }
            chars.next_if(|c| ('\x40'..='\x7e').contains(c));
        } else if c == '\t' || !c.is_control() {
            text.push(c);
        } else if noise && c != '\0' && u8::try_from(c).is_ok_and(noise::is_no_text) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(parts: &[&[u8]]) -> Vec<(usize, String)> {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        for part in parts {
            lines.push(part, |n, line| out.push((n, line.to_owned())));
        }
        lines.finish(|n, line| out.push((n, line.to_owned())));
        out
    }

    #[test]
    fn lines_are_counted_and_cleaned() {
        let got = all(&[b"\x1b[2J\x1b[01;01Ha\r\nb", b"c\n\r\x1bcd\x07\t\xff"]);
        let want = [(1, "a"), (2, "bc"), (3, "d\t\u{fffd}")];
        assert_eq!(got, want.map(|(n, line)| (n, line.to_owned())));
    }

    #[test]
    fn control_characters_among_noise_are_noise() {
        assert_eq!(clean(b"\x02\xf8a\x0f\x00\n"), "\u{fffd}\u{fffd}a\u{fffd}");
        assert_eq!(clean(b"\x0212345678 RIP: 0\x00\x08\r\n"), "12345678 RIP: 0");
        assert_eq!(clean(b"\x00\x00\x00a"), "a", "a reset leaves these");
    }

    #[test]
    fn a_line_without_end_is_split() {
        let chunk = vec![b'x'; 5000];
        let mut lines = Lines::default();
        let mut longest = 0;
        for _ in 0..100 {
            lines.push(&chunk, |_, line| longest = longest.max(line.len()));
            assert!(lines.pending.len() <= LINE_LIMIT);
        }
        assert!(longest > LINE_LIMIT / 2);
        // all at once
        longest = 0;
        Lines::default().push(&vec![b'x'; 1 << 20], |_, line| {
            longest = longest.max(line.len())
        });
        assert_eq!(longest, LINE_LIMIT);
    }

    #[test]
    fn a_log_with_carriage_returns_only_has_lines() {
        let split = |log: &[u8]| {
            let (mut lines, mut out) = (Lines::of(log), Vec::new());
            lines.push(log, |_, line| out.push(line.to_owned()));
            lines.finish(|_, line| out.push(line.to_owned()));
            out
        };
        assert_eq!(split(b"a\rb\rc"), ["a", "b", "c"]);
        assert_eq!(split(b"a\r\nb\rc\n"), ["a", "bc"]);
    }
}
