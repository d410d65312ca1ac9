//! The dump that Linux (6.16 and later) prints when its kexec code faults: 19
//! lines with a label and 16 digits, without header and checksum
//! (docs/dump-format.md).

use handoff::abi::has_error_code;
use handoff::dump::Mode;
use handoff::dump::read::{Dump, Integrity};

/// Labels in the order printed.
const LABELS: [[u8; 4]; 19] = [
    *b"Exc:", *b"Err:", *b"rip:", *b"rsp:", *b"rax:", *b"rbx:", *b"rcx:", *b"rdx:", *b"rsi:",
    *b"rdi:", *b"r8 :", *b"r9 :", *b"r10:", *b"r11:", *b"r12:", *b"r13:", *b"r14:", *b"r15:",
    *b"cr2:",
];
/// Register numbers (in the CPU's order) of the values.
const GPR: [usize; 15] = [4, 0, 3, 1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/// Maximum number of other lines between two lines of a dump.
const MAX_NOISE: usize = 200;

/// Reads Linux's dumps from lines.
#[derive(Debug, Default)]
pub struct LinuxDumpReader {
    open: Option<Open>,
}

#[derive(Debug, Default)]
struct Open {
    values: [Option<u64>; 19],
    last: usize,
    in_order: bool,
    noise: usize,
}

impl LinuxDumpReader {
    /// Adds a line. Returns the dumps that it completed.
    pub fn line(&mut self, line: &str) -> Vec<Dump> {
        let mut ended = Vec::new();
        let fields = fields(line);
        if fields.is_empty() {
            if let Some(open) = &mut self.open {
                open.noise += 1;
                if open.noise > MAX_NOISE {
                    ended.extend(self.finish());
                }
            }
            return ended;
        }
        for (label, value) in fields {
            let again = self
                .open
                .as_ref()
                .is_some_and(|open| label == 0 || open.values[label].is_some());
            if again {
                ended.extend(self.finish());
            }
            // "Exc:" or, if that is lost, "rip:" is the first line
            if self.open.is_none() && label != 0 && label != 2 {
                continue;
            }
            let open = self.open.get_or_insert_with(|| Open {
                in_order: label == 0,
                ..Open::default()
            });
            open.in_order &= label == 0 || label == open.last + 1;
            open.values[label] = value;
            open.last = label;
            open.noise = 0;
            if label == LABELS.len() - 1 {
                ended.extend(self.finish());
            }
        }
        ended
    }

    /// Ends the input. Returns an incomplete dump.
    pub fn finish(&mut self) -> Option<Dump> {
        let open = self.open.take()?;
        // one label can occur in any text
        (open.values.iter().flatten().count() > 1).then(|| open.dump())
    }

    /// True while a dump is incomplete.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl Open {
    fn dump(&self) -> Dump {
        let [exc, err, rip, registers @ .., cr2] = &self.values;
        let vector = exc.and_then(|vector| u8::try_from(vector).ok());
        let mut dump = Dump {
            integrity: if self.last != LABELS.len() - 1 {
                Integrity::Truncated
            } else if self.in_order && self.values.iter().all(Option::is_some) {
                Integrity::Whole
            } else {
                Integrity::Damaged
            },
            vector,
            mode: Some(Mode::Long),
            rip: *rip,
            cr: [None, *cr2, None, None],
            ..Dump::default()
        };
        dump.error = match vector {
            Some(vector) if has_error_code(vector.into()) => err.map(Some),
            Some(_) => Some(None),
            None => err.map(Some),
        };
        for (number, value) in GPR.into_iter().zip(registers) {
            dump.gpr[number] = *value;
        }
        dump
    }
}

/// Returns the labels in a line, by number, with their values; `None` for a
/// damaged value.
fn fields(line: &str) -> Vec<(usize, Option<u64>)> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(colon) = rest.find(':') {
        let (head, tail) = rest.split_at(colon + 1);
        rest = tail;
        let Some((before, last)) = head.as_bytes().split_last_chunk() else {
            continue;
        };
        let Some(label) = LABELS.iter().position(|label| label == last) else {
            continue;
        };
        // must not be the end of a longer word, such as `drip:`
        let before = head[..before.len()].chars().last();
        let digits = tail
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
            .count();
        if digits == 0 || before.is_some_and(char::is_alphabetic) && found.is_empty() {
            continue;
        }
        let whole = digits == 16;
        let value = u64::from_str_radix(&tail[..digits.min(16)], 16).ok();
        found.push((label, value.filter(|_| whole)));
    }
    found
}
