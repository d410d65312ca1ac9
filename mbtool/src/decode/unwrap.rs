//! Joins lines that a terminal or a mail program has wrapped.
//!
//! A line continues the one before it if that one has a label or a time, it itself has none, its
//! first word would not have fitted into the longest line so far, and two lines have that length.

use super::log_line::LogLine;

/// Shortest line that counts as wrapped, in characters.
const SHORTEST: usize = 60;
/// Widest terminal or mail, in characters; a log with longer lines is not wrapped.
const WIDEST: usize = 160;
/// Lines before the first decision.
const FIRST: usize = 4;
/// Maximum length of a joined line, in bytes.
const LIMIT: usize = 16 << 10;

/// Joins wrapped lines; one line is held back.
#[derive(Debug, Default)]
pub struct Unwrap {
    held: Option<Held>,
    longest: usize,
    /// Number of lines of that length.
    full: usize,
    seen: usize,
    guessing: bool,
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

    /// Adds a line; calls `each` with the line before it, if that is complete.
    pub fn push(&mut self, number: usize, line: &str, each: &mut dyn FnMut(usize, &str)) {
        let length = line.chars().count();
        let begins = LogLine::new(number, line).begins();
        if let Some(held) = &mut self.held
            && held.begins
            && !begins
            && self.seen >= FIRST
            && (self.guessing || self.full >= 2 && !held.text.starts_with("[handoff]"))
            && held.text.len() + line.len() <= LIMIT
            && let Some(gap) = gap(held, line, self.longest)
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
