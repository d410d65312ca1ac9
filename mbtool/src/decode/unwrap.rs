//! Joins lines that a terminal or a mail program has wrapped.
//!
//! A line continues the one before it if that one has a label or a time, it itself has none, its
//! first word would not have fitted into the longest line so far, and two lines have that length.
//! The first lines of a whole log are judged with what follows them ([`WrapWidth`]).

use super::lines::Lines;
use super::log_line::LogLine;

/// Shortest line that counts as wrapped, in characters.
const SHORTEST: usize = 60;
/// Widest terminal or mail, in characters; a log with longer lines is not wrapped.
const WIDEST: usize = 160;
/// Lines before the first decision.
const FIRST: usize = 4;
/// Maximum length of a joined line, in bytes.
const LIMIT: usize = 16 << 10;
/// Number of lines that are looked at for a width.
const LOOKED_AT: usize = 512;

/// The width at which a log is wrapped, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrapWidth(usize);

impl WrapWidth {
    /// The width of the first lines of `log`: two or more lines have it, none is longer, and two of them are followed by a
    /// line that does not begin one.
    #[must_use]
    pub fn of(log: &[u8]) -> Option<Self> {
        let end = log.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let end = end.map(|(at, _)| at + 1).nth(LOOKED_AT - 1);
        let first = &log[..end.unwrap_or(log.len()).min(LOOKED_AT * WIDEST)];
        let (mut longest, mut continued, mut held) = (0, 0, 0);
        Lines::of(first).push(first, |number, line| {
            let length = line.chars().count();
            let begins = LogLine::new(number, line).begins();
            if held == longest && longest > 0 && !begins && !line.is_empty() {
                continued += 1;
            }
            if length > longest {
                (longest, continued) = (length, 0);
            }
            held = if begins { length } else { 0 };
        });
        (continued >= 2 && (SHORTEST..=WIDEST).contains(&longest)).then_some(Self(longest))
    }
}

/// Joins wrapped lines; one line is held back.
#[derive(Debug, Default)]
pub struct Unwrap {
    held: Option<Held>,
    longest: usize,
    /// Number of lines of that length.
    full: usize,
    seen: usize,
    guessing: bool,
    width: Option<WrapWidth>,
}

#[derive(Debug)]
struct Held {
    number: usize,
    text: String,
    /// Length of its last piece, in characters.
    piece: usize,
    begins: bool,
}

impl Unwrap {
    /// Joins lines also without evidence of a width: for text with a checksum.
    #[must_use]
    pub fn guessing() -> Self {
        Self {
            guessing: true,
            ..Self::default()
        }
    }

    /// Joins lines of this width from the first one on.
    #[must_use]
    pub fn at(width: Option<WrapWidth>) -> Self {
        Self {
            width,
            ..Self::default()
        }
    }

    /// The width to judge lines by, and whether there is evidence of it.
    fn evidence(&self) -> (usize, bool) {
        match self.width {
            Some(WrapWidth(width)) if self.longest <= width => (width, true),
            _ => (self.longest, self.full >= 2 && self.seen >= FIRST),
        }
    }

    /// Adds a line; calls `each` with the line before it, if that is complete.
    pub fn push(&mut self, number: usize, line: &str, each: &mut dyn FnMut(usize, &str)) {
        let length = line.chars().count();
        let begins = LogLine::new(number, line).begins();
        let guessing = self.guessing && self.seen >= FIRST;
        let (width, evident) = self.evidence();
        if let Some(held) = &mut self.held
            && held.begins
            && !begins
            && (guessing || evident && !held.text.starts_with("[handoff]"))
            && held.text.len() + line.len() <= LIMIT
            && let Some(gap) = gap(held, line, width)
        {
            // quoted-printable mail ends such a line with `=`
            if held.text.ends_with('=') && held.piece <= 76 {
                held.text.pop();
            } else {
                held.text.push_str(gap);
            }
            held.text.push_str(line);
            held.piece = length;
        } else {
            self.finish(each);
            self.held = Some(Held {
                number,
                text: line.to_owned(),
                piece: length,
                begins,
            });
        }
        if length > self.longest {
            (self.longest, self.full) = (length, 0);
        }
        self.full += usize::from(length == self.longest);
        self.seen += 1;
    }

    /// Returns the line that is held back.
    pub fn finish(&mut self, each: &mut dyn FnMut(usize, &str)) {
        if let Some(held) = self.held.take() {
            each(held.number, &held.text);
        }
    }
}

/// Text between the two pieces of a line; `None` if they are two lines.
fn gap(held: &Held, line: &str, longest: usize) -> Option<&'static str> {
    let word = line.split_ascii_whitespace().next()?.chars().count();
    if held.piece < SHORTEST || longest > WIDEST {
        return None;
    }
    if held.piece == longest {
        // a terminal breaks anywhere
        return Some("");
    }
    (held.piece + 1 + word > longest).then_some(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(lines: &[&str]) -> Vec<(usize, String)> {
        let (mut unwrap, mut out) = (Unwrap::default(), Vec::new());
        for (index, line) in lines.iter().enumerate() {
            unwrap.push(index + 1, line, &mut |n, line| {
                out.push((n, line.to_owned()))
            });
        }
        unwrap.finish(&mut |n, line| out.push((n, line.to_owned())));
        out
    }

    #[test]
    fn a_line_of_a_narrow_terminal_is_joined() {
        let long = format!("(XEN) {}", "x".repeat(74));
        let lines = [
            "(XEN) a", "(XEN) b", "(XEN) c", &long, "(XEN) d", &long, "yz", "(XEN) e",
        ];
        let got = joined(&lines);
        assert_eq!(got[5], (6, format!("{long}yz")));
        assert_eq!(got[6], (8, "(XEN) e".to_owned()));
        // one line of that length is no evidence
        assert_eq!(joined(&lines[4..]).len(), 4);
        let one = ["(XEN) a", "(XEN) b", "(XEN) c", "(XEN) d", &long, "yz"];
        assert_eq!(joined(&one).len(), 6);
        let handoff = long.replace("(XEN) ", "[handoff] ");
        let two = [
            "(XEN) a",
            "(XEN) b",
            "(XEN) c",
            &handoff,
            &handoff,
            "MBTOOL START",
        ];
        assert_eq!(joined(&two).len(), 6);
    }

    #[test]
    fn the_first_wrapped_line_of_a_log_is_joined() {
        let long = |text: &str| format!("(XEN) {}", text.repeat(74));
        let (first, second, third) = (long("x"), long("y"), long("z"));
        let lines = [
            &first, "1", "(XEN) a", "(XEN) b", &second, "2", &third, "(XEN) c",
        ];
        let log = lines.join("\n");
        let read = |log: &str| {
            let mut unwrap = Unwrap::at(WrapWidth::of(log.as_bytes()));
            let mut out = Vec::new();
            for (index, line) in log.lines().enumerate() {
                unwrap.push(index + 1, line, &mut |n, line| {
                    out.push((n, line.to_owned()))
                });
            }
            unwrap.finish(&mut |n, line| out.push((n, line.to_owned())));
            out
        };
        let got = read(&log);
        assert_eq!(WrapWidth::of(log.as_bytes()), Some(WrapWidth(80)));
        assert_eq!(got[0], (1, format!("{first}1")));
        assert_eq!(got[3], (5, format!("{second}2")));
        assert_eq!(got.len(), 6);
        // one continued line is no evidence, and neither is a log with longer lines
        let one = lines[..4].join("\n");
        assert_eq!((WrapWidth::of(one.as_bytes()), read(&one).len()), (None, 4));
        let longer = format!("{log}\n{}\n", "w".repeat(81));
        assert_eq!(WrapWidth::of(longer.as_bytes()), None);
        // lines of a program that are as long
        let table = [&first, &second, &third, "(XEN) a"].join("\n");
        assert_eq!(WrapWidth::of(table.as_bytes()), None);
    }

    #[test]
    fn a_line_of_a_mail_is_joined() {
        let full = format!("(XEN) {}", "word ".repeat(14));
        let first = format!("(XEN) {}end", "word ".repeat(12));
        let lines = [
            "(XEN) a",
            "(XEN) b",
            &full,
            &full,
            &first,
            "0123456789abcdef rest",
        ];
        let got = joined(&lines);
        assert_eq!(got[4], (5, format!("{first} 0123456789abcdef rest")));
        let lines = ["(XEN) a", "(XEN) b", &full, &full, &first, "short"];
        assert_eq!(joined(&lines).len(), 6, "it would have fitted");
    }

    #[test]
    fn a_log_with_long_lines_is_not_wrapped() {
        let longest = "y".repeat(200);
        let long = format!("(XEN) {}", "x".repeat(74));
        let lines = [
            "(XEN) a",
            "(XEN) b",
            "(XEN) c",
            &longest,
            &long,
            "output of a program",
        ];
        assert_eq!(joined(&lines).len(), 6);
    }
}
