//! Registers as `NAME: VALUE`, `NAME=VALUE` or `NAME - VALUE`, several on a line.

use handoff::dump::read::Dump;

/// Register of a [`Dump`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    /// General purpose, by the CPU's number.
    Gpr(usize),
    /// Stack pointer with the stack segment in front: `0018:ffff...`.
    Stack,
    /// Instruction pointer.
    Ip,
    /// Flags.
    Flags,
    /// Control register, by its place in a dump (0, 2, 3, 4).
    Cr(usize),
    /// Selector: cs ds es fs gs ss.
    Selector(usize),
    /// EFER.
    Efer,
    /// DR6.
    Dr6,
    /// Error code.
    Error,
}

/// A name with the numbers of digits that its value can have.
pub(super) type FieldName = (&'static str, &'static [usize], Register);

/// Registers that all dumps name and print alike.
pub(super) const GENERAL: [FieldName; 24] = [
    ("RAX", &[16], Register::Gpr(0)),
    ("RCX", &[16], Register::Gpr(1)),
    ("RDX", &[16], Register::Gpr(2)),
    ("RBX", &[16], Register::Gpr(3)),
    ("RBP", &[16], Register::Gpr(5)),
    ("RSI", &[16], Register::Gpr(6)),
    ("RDI", &[16], Register::Gpr(7)),
    ("R10", &[16], Register::Gpr(10)),
    ("R11", &[16], Register::Gpr(11)),
    ("R12", &[16], Register::Gpr(12)),
    ("R13", &[16], Register::Gpr(13)),
    ("R14", &[16], Register::Gpr(14)),
    ("R15", &[16], Register::Gpr(15)),
    ("EAX", &[8], Register::Gpr(0)),
    ("ECX", &[8], Register::Gpr(1)),
    ("EDX", &[8], Register::Gpr(2)),
    ("EBX", &[8], Register::Gpr(3)),
    ("EBP", &[8], Register::Gpr(5)),
    ("ESI", &[8], Register::Gpr(6)),
    ("EDI", &[8], Register::Gpr(7)),
    ("CR0", &[8, 16], Register::Cr(0)),
    ("CR2", &[8, 16], Register::Cr(1)),
    ("CR3", &[8, 16], Register::Cr(2)),
    ("CR4", &[8, 16], Register::Cr(3)),
];

/// A pair of name and value on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair<'a> {
    start: usize,
    name: &'a str,
    segment: Option<&'a str>,
    digits: &'a str,
    /// The line ends with it.
    last: bool,
}

/// Maximum length of what a line leaves for the next one: a name and a part of its value.
const MAX_CARRY: usize = 64;

/// Reads registers from lines that may be wrapped between any two characters.
#[derive(Debug, Default)]
pub(super) struct FieldReader {
    carry: String,
}

impl FieldReader {
    /// Sets the registers of a line, of [`GENERAL`] and of `names`; returns how many there were. `begins`: the line does not
    /// continue the one before.
    pub(super) fn take(
        &mut self,
        dump: &mut Dump,
        names: &[FieldName],
        text: &str,
        begins: bool,
    ) -> usize {
        let carry = std::mem::take(&mut self.carry);
        let joined;
        let text = if begins || carry.is_empty() {
            text
        } else {
            joined = carry + text;
            &joined
        };
        let mut count = 0;
        for pair in pairs(text) {
            let entry = all(names).find(|(name, ..)| name.eq_ignore_ascii_case(pair.name));
            let Some((_, widths, register)) = entry else {
                continue;
            };
            let width = pair.digits.len();
            if widths.contains(&width) {
                let Ok(value) = u64::from_str_radix(pair.digits, 16) else {
                    continue;
                };
                set(dump, *register, value);
                if let (Register::Stack, Some(segment)) = (register, pair.segment) {
                    dump.sel[5] = u16::from_str_radix(segment, 16).ok();
                }
                count += 1;
            } else if pair.last && widths.iter().any(|full| width < *full) {
                self.carry = text[pair.start..].to_owned();
            }
        }
        if self.carry.is_empty()
            && let Some(at) = unfinished(text, names)
        {
            self.carry = text[at..].to_owned();
        }
        if self.carry.len() > MAX_CARRY {
            self.carry.clear();
        }
        count
    }
}

fn all(names: &[FieldName]) -> impl Iterator<Item = &FieldName> {
    GENERAL.iter().chain(names)
}

fn set(dump: &mut Dump, register: Register, value: u64) {
    let short = || u16::try_from(value).ok();
    match register {
        Register::Gpr(number) => dump.gpr[number] = Some(value),
        Register::Stack => dump.gpr[4] = Some(value),
        Register::Ip => dump.rip = Some(value),
        Register::Flags => dump.rflags = Some(value),
        Register::Cr(place) => dump.cr[place] = Some(value),
        Register::Selector(number) => dump.sel[number] = short(),
        Register::Efer => dump.efer = Some(value),
        Register::Dr6 => dump.dr6 = Some(value),
        Register::Error => dump.error = Some(Some(value)),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// All pairs of a line. Each byte is looked at a few times at most.
fn pairs(text: &str) -> Vec<Pair<'_>> {
    let bytes = text.as_bytes();
    let skip = |mut at: usize, test: fn(u8) -> bool| {
        while bytes.get(at).is_some_and(|byte| test(*byte)) {
            at += 1;
        }
        at
    };
    let blank = |byte| matches!(byte, b' ' | b'\t');
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = skip(at, |byte| !is_word(byte));
        let end = skip(start, is_word);
        at = end;
        let mark = skip(end, blank);
        if !bytes
            .get(mark)
            .is_some_and(|byte| matches!(byte, b':' | b'=' | b'-'))
        {
            continue;
        }
        let value = skip(mark + 1, blank);
        let mut value_end = skip(value, |byte| byte.is_ascii_hexdigit());
        let (mut segment, mut digits) = (None, &text[value..value_end]);
        if bytes.get(value_end) == Some(&b':') {
            let second = skip(value_end + 1, |byte| byte.is_ascii_hexdigit());
            segment = Some(digits);
            digits = &text[value_end + 1..second];
            value_end = second;
        }
        // the digits must be a whole word
        if bytes.get(value_end).is_some_and(|byte| is_word(*byte)) {
            continue;
        }
        found.push(Pair {
            start,
            name: &text[start..end],
            segment,
            digits,
            last: text[value_end..].trim().is_empty(),
        });
        at = value_end.max(end);
    }
    found
}

/// Start of a name at the end of a line whose value is on the next line: `rbx:`, or a part of the
/// name.
fn unfinished(text: &str, names: &[FieldName]) -> Option<usize> {
    let text = text.trim_end();
    let word_end = text.trim_end_matches([':', '=', '-', ' ']).len();
    let start = text[..word_end].rfind(|c: char| !c.is_ascii() || !is_word(c as u8));
    let start = start.map_or(0, |at| {
        at + text[at..].chars().next().map_or(1, char::len_utf8)
    });
    let word = &text[start..word_end];
    let known = |(name, ..): &FieldName| {
        name.get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word))
    };
    (!word.is_empty() && all(names).any(known)).then_some(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[FieldName] = &[
        ("rax", &[16], Register::Gpr(0)),
        ("rbx", &[16], Register::Gpr(3)),
        ("rsp", &[16], Register::Stack),
        ("r8", &[16], Register::Gpr(8)),
        ("cs", &[4], Register::Selector(0)),
        ("cr0", &[8, 16], Register::Cr(0)),
    ];

    fn read(lines: &[(&str, bool)]) -> (Dump, usize) {
        let (mut dump, mut reader) = (Dump::default(), FieldReader::default());
        let count = lines
            .iter()
            .map(|(line, begins)| reader.take(&mut dump, NAMES, line, *begins))
            .sum();
        (dump, count)
    }

    #[test]
    fn all_spellings_are_read() {
        for line in [
            "rax: 0000000000000001   rbx: 0000000000000002  cs: e008 cr0: 0000000080050033",
            "RAX=0000000000000001 RBX=0000000000000002 CS =e008 CR0=80050033",
            "RAX  - 0000000000000001, RBX - 0000000000000002, CS - E008, CR0 - 0000000080050033",
            "rax:\t0000000000000001\trbx:\t0000000000000002 cs:e008 cr0:80050033",
        ] {
            let (dump, count) = read(&[(line, true)]);
            assert_eq!(
                (count, dump.gpr[0], dump.gpr[3]),
                (4, Some(1), Some(2)),
                "{line}"
            );
            assert_eq!(
                (dump.sel[0], dump.cr[0]),
                (Some(0xe008), Some(0x8005_0033)),
                "{line}"
            );
        }
        let (dump, _) = read(&[("RSP: 0018:ffffa00000000000 EFLAGS: 00010246", true)]);
        assert_eq!(
            (dump.gpr[4], dump.sel[5]),
            (Some(0xffff_a000_0000_0000), Some(0x18))
        );
        let (dump, _) = read(&[("R8 =00000000000000aa", true)]);
        assert_eq!(dump.gpr[8], Some(0xaa));
    }

    #[test]
    fn damaged_values_are_left_out() {
        for line in [
            "rax: 000000000000001 rbx: 0000000000000002",
            "rax: 00000000000000g1 rbx: 0000000000000002",
            "ORIG_RAX: 0000000000000001 rbx: 0000000000000002",
            "xrax: 0000000000000001 rbx: 0000000000000002",
        ] {
            let (dump, count) = read(&[(line, true)]);
            assert_eq!(
                (count, dump.gpr[0], dump.gpr[3]),
                (1, None, Some(2)),
                "{line}"
            );
        }
    }

    /// A line that is cut anywhere and goes on on the next one.
    #[test]
    fn wrapped_lines_are_joined() {
        let line = "rax: 0000000000000001   rbx: 0000000000000002";
        for cut in 1..line.len() {
            let (dump, _) = read(&[(&line[..cut], true), (&line[cut..], false)]);
            assert_eq!((dump.gpr[0], dump.gpr[3]), (Some(1), Some(2)), "{cut}");
        }
        let (dump, _) = read(&[("rbx: 00000000", true), ("00000002", true)]);
        assert_eq!(
            dump.gpr[3], None,
            "a line with a label of its own is not a rest"
        );
    }
}
