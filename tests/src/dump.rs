//! An exception dump of the handoff (docs/handoff-abi.md), read from a serial log.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// What every line of the handoff starts with.
pub const HANDOFF: &str = "[handoff] ";

/// One dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// Vector number.
    pub vector: u8,
    /// `long` or `protected`.
    pub mode: String,
    /// Where the handoff was.
    pub phase: String,
    /// Every named number: registers, selectors, control registers.
    pub registers: BTreeMap<String, u64>,
    /// Bytes at the fault.
    pub code: Vec<u8>,
    /// Words at the stack pointer.
    pub stack: Vec<u64>,
}

impl Dump {
    /// The one dump in `lines`; none and several are errors.
    pub fn parse(lines: &[String]) -> Result<Self> {
        let starts: Vec<usize> = (0..lines.len())
            .filter(|&at| lines[at].starts_with(handoff::dump::BEGIN))
            .collect();
        ensure!(starts.len() == 1, "{} dumps, expected one", starts.len());
        let lines = &lines[starts[0]..];
        let end = lines
            .iter()
            .position(|line| line == handoff::dump::END)
            .context("the dump has no end line")?;
        let first = &lines[0];
        let after = |word: &str| {
            let rest = first.split_once(&format!(" {word} "));
            rest.map(|(_, rest)| rest).with_context(|| first.clone())
        };
        let word = |text: &str| text.split(' ').next().unwrap_or_default().to_owned();
        let mut dump = Self {
            vector: word(after("vector")?).parse().context("vector")?,
            mode: word(after("mode")?),
            phase: after("phase")?.to_owned(),
            registers: BTreeMap::new(),
            code: Vec::new(),
            stack: Vec::new(),
        };
        for line in &lines[1..end] {
            let line = line
                .strip_prefix(HANDOFF)
                .with_context(|| format!("not a line of the handoff: {line:?}"))?;
            let mut words = line.split_whitespace();
            match line.split(' ').next() {
                Some("code") => {
                    let bytes = words.skip(1).map(|byte| u8::from_str_radix(byte, 16));
                    dump.code = bytes.collect::<Result<_, _>>().context("code")?;
                }
                Some("stack") => dump.stack = words.skip(1).map(number).collect::<Result<_>>()?,
                _ => {
                    while let (Some(name), Some(value)) = (words.next(), words.next()) {
                        dump.registers.insert(name.to_owned(), number(value)?);
                    }
                }
            }
        }
        Ok(dump)
    }

    /// A register by its name in the dump.
    pub fn register(&self, name: &str) -> Result<u64> {
        let value = self.registers.get(name);
        value
            .copied()
            .with_context(|| format!("no {name} in {self:x?}"))
    }
}

fn number(text: &str) -> Result<u64> {
    let digits = text.strip_prefix("0x").with_context(|| text.to_owned())?;
    u64::from_str_radix(digits, 16).with_context(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff::dump::{Mode, Record};
    use handoff::text::Text;

    struct Out(String);

    impl Text for Out {
        fn byte(&mut self, byte: u8) {
            self.0.push(char::from(byte));
        }
    }

    #[test]
    fn what_the_handoff_writes_is_read_back() {
        let record = Record {
            vector: 14,
            error: Some(2),
            mode: Mode::Long,
            phase: 5,
            rip: 0x1234,
            rflags: 0x46,
            gpr: std::array::from_fn(|n| 0x100 + n as u64),
            sel: [0x10, 0x18, 0x18, 0x18, 0x18, 0x18],
            cr: [0x8000_0033, 0xdead_beef, 0x1000, 0x20],
            efer: 0xd01,
            code: &[0x0f, 0x0b],
            stack: &[7, 8],
        };
        let mut out = Out("before\n".into());
        handoff::dump::write(&mut out, &record);
        let lines: Vec<String> = out.0.lines().map(str::to_owned).collect();
        let dump = Dump::parse(&lines).unwrap();
        assert_eq!(
            (dump.vector, &*dump.mode, &*dump.phase),
            (14, "long", "protected mode")
        );
        for (name, value) in [
            ("rip", 0x1234),
            ("cr2", 0xdead_beef),
            ("rsp", 0x104),
            ("r8", 0x108),
            ("r15", 0x10f),
            ("gs", 0x18),
            ("efer", 0xd01),
        ] {
            assert_eq!(dump.register(name).unwrap(), value, "{name}");
        }
        assert_eq!((dump.code, dump.stack), (vec![0x0f, 0x0b], vec![7, 8]));
        let cut = &lines[..lines.len() - 1];
        assert!(Dump::parse(cut).is_err() && Dump::parse(&[]).is_err());
    }
}
