//! A line of a log, without what a console, a logger or a mail program puts in front of it.

use super::text_set::find;

/// What Linux prints in front of the reason of a panic.
pub(super) const LINUX_PANIC: &str = "Kernel panic - not syncing: ";

/// Program that a line's label names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineLabel {
    /// `(XEN)`.
    Xen,
    /// `(d1)`: Xen prints for a guest.
    Guest,
}

/// A line and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// Number of the line, from 1.
    pub number: usize,
    /// The label.
    pub label: Option<LineLabel>,
    /// True with a time in front, as Linux prints it.
    pub stamped: bool,
    /// That time in seconds with six digits after the point.
    pub time: Option<&'a str>,
    /// The text behind labels, times, log levels and quotation marks.
    pub body: &'a str,
}

/// Words of systemd's and syslog's prefixes: `HOST kernel: TEXT`.
const KERNEL: &str = "kernel:";

impl<'a> LogLine<'a> {
    /// Splits a line.
    #[must_use]
    pub fn new(number: usize, line: &'a str) -> Self {
        let mut found = Self {
            number,
            label: None,
            stamped: false,
            time: None,
            body: line,
        };
        // another program's half line can be in front of it
        if let Some(at) = find(line, "(XEN)") {
            found.label = Some(LineLabel::Xen);
            found.body = &line[at + 5..];
        }
        loop {
            let body = found.body.trim_start_matches([' ', '\t', '>', '|']);
            found.body = body;
            if let Some((inner, rest)) = bracketed(body, found.stamped) {
                found.stamped = true;
                found.time = found.time.or_else(|| is_uptime(inner).then_some(inner));
                found.body = rest;
            } else if let Some(rest) = level(body).or_else(|| clock(body)).or_else(|| syslog(body))
            {
                found.body = rest;
            } else if let Some(rest) = guest(body).filter(|_| found.label.is_none()) {
                found.label = Some(LineLabel::Guest);
                found.body = rest;
            } else {
                break;
            }
        }
        if !found.of_kernel()
            && let Some((time, rest)) = inside(found.body)
        {
            found.stamped = true;
            found.time = Some(time);
            found.body = rest.trim_start();
        }
        found.body = found.body.trim_end();
        found
    }

    /// True if a kernel or the handoff began this line: it does not continue the one before.
    #[must_use]
    pub fn begins(&self) -> bool {
        self.stamped || self.label.is_some() || self.body.starts_with("[handoff]")
    }

    /// True for what a kernel prints.
    #[must_use]
    pub const fn of_kernel(&self) -> bool {
        self.stamped || self.label.is_some()
    }
}

/// `[   12.345678]`, `[2026-11-30 01:02:03]`; after one of these also `[T123]`, `[C1]`: what is in the brackets, and what
/// follows.
fn bracketed(text: &str, stamped: bool) -> Option<(&str, &str)> {
    let rest = text.strip_prefix('[')?;
    let end = rest.bytes().take(48).position(|byte| byte == b']')?;
    let inner = rest[..end].trim();
    let time = |c: char| c.is_ascii_digit() || matches!(c, '.' | ':' | '-' | ' ' | 'T' | 'Z' | '+');
    let caller = || {
        inner
            .strip_prefix(['T', 'C'])
            .is_some_and(|id| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit()))
    };
    let clock = inner.starts_with(|c: char| c.is_ascii_digit())
        && inner.contains(['.', ':'])
        && inner.chars().all(time);
    (clock || stamped && caller()).then(|| (inner, &rest[end + 1..]))
}

/// Linux's time in the middle of a line, and the text behind it: another program's half line is in
/// front of it.
fn inside(text: &str) -> Option<(&str, &str)> {
    text.match_indices('[').take(8).find_map(|(at, _)| {
        let (inner, rest) = text[at + 1..].split_once("] ")?;
        let time = inner.trim_start();
        (at > 0 && inner.len() >= 12 && is_uptime(time)).then_some((time, rest))
    })
}

/// `12.345678`: seconds since the kernel's start.
fn is_uptime(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(seconds, fraction)| {
        fraction.len() == 6 && number(seconds) && number(fraction)
    })
}

/// `<6>`.
fn level(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('<')?;
    let (digits, rest) = rest.split_once('>')?;
    (!digits.is_empty() && digits.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then_some(rest)
}

/// A word with HH:MM:SS, as loggers put it in front, alone or behind a date.
fn clock(text: &str) -> Option<&str> {
    let word_end = text.find([' ', '\t'])?;
    let (word, rest) = text.split_at(word_end);
    let date = word.len() == 10 && is_date(word);
    (is_time(word.strip_prefix(is_date_prefix(word)).unwrap_or(word))
        || date && rest.trim_start().split(' ').next().is_some_and(is_time))
    .then_some(rest)
}

/// The date and `T` of an ISO 8601 time.
fn is_date_prefix(word: &str) -> &str {
    match word.get(..11) {
        Some(start) if start.ends_with('T') && is_date(&start[..10]) => start,
        _ => "",
    }
}

/// `2026-11-30`.
fn is_date(word: &str) -> bool {
    word.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => matches!(byte, b'-' | b'/'),
        _ => byte.is_ascii_digit(),
    })
}

/// `01:02:03`, with a fraction and a zone or not.
fn is_time(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() >= 8
        && bytes[..8].iter().enumerate().all(|(at, byte)| match at {
            2 | 5 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
        && bytes[8..].iter().all(|byte| {
            byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'Z' | b'+' | b'-' | b':')
        })
}

/// `Nov 30 01:02:03 HOST kernel: TEXT`, `HOST kernel: TEXT`, `kernel: TEXT`.
fn syslog(text: &str) -> Option<&str> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split_ascii_whitespace();
    let first = words.next()?;
    let (second, third) = (words.next()?, words.next().unwrap_or(""));
    let at = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    if first.len() == 3 && MONTHS.contains(first) && is_time(third) {
        return Some(&text[at(third) + third.len()..]);
    }
    let kernel = [first, second].into_iter().find(|word| *word == KERNEL)?;
    Some(&text[at(kernel) + KERNEL.len()..])
}

/// `(d1)`.
fn guest(text: &str) -> Option<&str> {
    let (number, rest) = text.strip_prefix("(d")?.split_once(')')?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_linux() {
        for (text, want) in [
            ("[    0.123456] a", Some("0.123456")),
            ("(XEN) [ 1234.000001] a", Some("1234.000001")),
            ("[2026-11-30 01:02:03] [    0.100000] a", Some("0.100000")),
            ("half [    6.408298] a", Some("6.408298")),
            ("[    0.1] a", None),
            ("[2026-11-30 01:02:03] a", None),
            ("a", None),
        ] {
            assert_eq!(LogLine::new(1, text).time, want, "{text}");
        }
    }

    #[test]
    fn what_stands_in_front_of_the_text_is_removed() {
        let line = |text| {
            let line = LogLine::new(1, text);
            (line.label, line.stamped, line.body)
        };
        let xen = Some(LineLabel::Xen);
        for (text, want) in [
            ("(XEN) RIP:    e008", (xen, false, "RIP:    e008")),
            ("(XEN) [2026-11-30 01:02:03.123] a  ", (xen, true, "a")),
            ("(XEN) [    1.234567]\tb", (xen, true, "b")),
            ("debian login: (XEN) c", (xen, false, "c")),
            ("> > (XEN) d", (xen, false, "d")),
            ("[    0.000000] e", (None, true, "e")),
            ("[    0.000000][    T0] f", (None, true, "f")),
            ("[    0.000000] [   C12] g", (None, true, "g")),
            ("<4>[    0.1] h", (None, true, "h")),
            ("[2026-11-30 01:02:03] [    0.1] i", (None, true, "i")),
            ("Nov 30 01:02:03 box kernel: [    0.1] j", (None, true, "j")),
            ("2026-11-30T01:02:03+0000 box kernel: k", (None, false, "k")),
            ("2026-11-30 01:02:03.5 l", (None, false, "l")),
            ("01:02:03 m", (None, false, "m")),
            ("(d1) n", (Some(LineLabel::Guest), false, "n")),
            (
                "[<ffffffff81000000>] o",
                (None, false, "[<ffffffff81000000>] o"),
            ),
            (
                "[0000000000001000, 1] (usable)",
                (None, false, "[0000000000001000, 1] (usable)"),
            ),
            (
                "debian login: [    6.408298] Kernel",
                (None, true, "Kernel"),
            ),
            ("at [1.5] and", (None, false, "at [1.5] and")),
            ("[T1] p", (None, false, "[T1] p")),
            ("[  OK  ] q", (None, false, "[  OK  ] q")),
            ("00:04: ttyS0 at I/O", (None, false, "00:04: ttyS0 at I/O")),
            ("0000:00:1f.2: r", (None, false, "0000:00:1f.2: r")),
            ("", (None, false, "")),
        ] {
            assert_eq!(line(text), want, "{text}");
        }
    }
}
