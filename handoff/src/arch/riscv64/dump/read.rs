//! Reads a dump from its lines, whole or damaged.

extern crate alloc;
use super::{DIGITS, GENERAL, ROW_PC};
use crate::arch::riscv64::causes::cause_name;
use crate::arch::riscv64::paging::MODES;
use crate::dump::STACK_WORDS;
use crate::dump::read::fields::{
    Width, after, between, bytes, fill, fill_registers, format, list, number, phase,
};
use crate::dump::read::{DumpFields, Integrity};
use crate::names::entries;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// One dump. `None`: the field is missing or damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiscvDump {
    /// Integrity of the dump.
    pub integrity: Integrity,
    /// Version of the text ([`FORMAT`](crate::dump::FORMAT)); 0 if the first line has none.
    pub format: Option<u32>,
    /// `scause`.
    pub scause: Option<u64>,
    /// `stval`.
    pub stval: Option<u64>,
    /// Paging mode, as an index into [`MODES`].
    pub mode: Option<u32>,
    /// Index into [`PHASES`](crate::abi::PHASES).
    pub phase: Option<u32>,
    /// `sepc`.
    pub sepc: Option<u64>,
    /// `sstatus`.
    pub sstatus: Option<u64>,
    /// `satp`.
    pub satp: Option<u64>,
    /// Number of the hart.
    pub hart: Option<u64>,
    /// x1 to x31.
    pub gpr: [Option<u64>; 31],
    /// Bytes at `sepc`, up to the first damaged one; empty if the handoff could not read them.
    pub code: Option<Vec<u8>>,
    /// Words at sp, up to the first damaged one; empty if the handoff could not read them.
    pub stack: Option<Vec<u64>>,
    /// Other lines of the dump, without [`PREFIX`](crate::dump::PREFIX).
    pub more: Vec<String>,
}

impl Default for RiscvDump {
    fn default() -> Self {
        Self {
            integrity: Integrity::Truncated,
            format: None,
            scause: None,
            stval: None,
            mode: None,
            phase: None,
            sepc: None,
            sstatus: None,
            satp: None,
            hart: None,
            gpr: [None; 31],
            code: None,
            stack: None,
            more: Vec::new(),
        }
    }
}

impl RiscvDump {
    /// Names of [`Self::gpr`], in their order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        entries(GENERAL).map(|name| str::from_utf8(name).unwrap_or("?"))
    }

    /// Returns a register by its name in the calling convention.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<u64> {
        let index = Self::names().position(|known| known == name)?;
        self.gpr[index]
    }
}

impl DumpFields for RiscvDump {
    fn begin(line: &str) -> Option<Self> {
        if !line.starts_with(" cause ") {
            return None;
        }
        let value = |name| number(after(line, name)?.strip_prefix("0x")?, Width::Minimal);
        let named = |cause: &u64| {
            between(line, " (", ") ").is_some_and(|name| name.as_bytes() == cause_name(*cause))
        };
        let mode = after(line, " mode ")
            .and_then(|text| entries(MODES).position(|name| name == text.as_bytes()));
        Some(Self {
            format: format(line),
            // a digit may be lost, but not together with the name
            scause: value(" cause ").filter(named),
            stval: value(" tval "),
            mode: mode.map(|mode| mode as u32), // four
            phase: phase(line),
            ..Self::default()
        })
    }

    fn is_second(line: &str) -> bool {
        line.starts_with("sepc 0x")
    }

    fn take(&mut self, line: &str) -> bool {
        const WIDTH: Width = Width::Exact(DIGITS);
        if let Some(filled) = fill_registers(line, GENERAL, WIDTH, &mut self.gpr) {
            return filled;
        }
        match line.split(' ').next().unwrap_or("") {
            "sepc" => {
                let slots = [
                    &mut self.sepc,
                    &mut self.sstatus,
                    &mut self.satp,
                    &mut self.hart,
                ];
                fill(line, ROW_PC, WIDTH, slots)
            }
            "code" => bytes(&mut self.code, line),
            "stack" => list(&mut self.stack, line, STACK_WORDS, |word| {
                number(word.strip_prefix("0x")?, WIDTH)
            }),
            _ => {
                self.more.push(line.to_owned());
                true
            }
        }
    }

    fn rate(&mut self, integrity: Integrity) {
        self.integrity = integrity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::PHASES;
    use crate::arch::riscv64::abi::RiscvFrame;
    use crate::arch::riscv64::dump::{RiscvRecord, write};
    use crate::dump::Summed;
    use crate::dump::read::{Dump, Reader};
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<RiscvDump> {
        let mut reader = Reader::default();
        let mut dumps: Vec<_> = text.lines().flat_map(|line| reader.line(line)).collect();
        dumps.extend(reader.finish());
        dumps
    }

    fn text(frame: &RiscvFrame, phase: u32, code: &[u8], stack: &[u64]) -> String {
        let record = RiscvRecord {
            frame,
            hart: 3,
            phase,
            code,
            stack,
        };
        let mut out = Summed::new(String::new());
        write(&mut out, &record);
        out.clone()
    }

    /// Different values everywhere; a cause that has a name.
    fn frame(words: [u64; 36], cause: u64, mode: u64) -> RiscvFrame {
        let mut gpr = [0; 32];
        gpr[1..].copy_from_slice(&words[..31]);
        RiscvFrame {
            gpr,
            sepc: words[31],
            scause: cause,
            stval: words[32],
            sstatus: words[33],
            satp: mode << 60 | words[34] >> 4,
            unused: 0,
        }
    }

    prop_compose! {
        fn frames()(
            words in any::<[u64; 36]>(),
            cause in prop_oneof![0..64_u64, (0..64_u64).prop_map(|code| code | 1 << 63), any::<u64>()],
            mode in prop_oneof![Just(0_u64), 8..11_u64],
        ) -> RiscvFrame {
            frame(words, cause, mode)
        }
    }

    proptest! {
        #[test]
        fn a_written_record_is_read_back(
            frame in frames(),
            phase in 0..entries(PHASES).count() as u32,
            code in prop::collection::vec(any::<u8>(), 0..=16),
            stack in prop::collection::vec(any::<u64>(), 0..=8),
        ) {
            let dumps = read(&text(&frame, phase, &code, &stack));
            let expected = RiscvDump {
                integrity: Integrity::Whole,
                format: Some(crate::dump::FORMAT),
                scause: Some(frame.scause),
                stval: Some(frame.stval),
                mode: Some(match frame.satp >> 60 { 0 => 0, mode => mode as u32 - 7 }),
                phase: Some(phase),
                sepc: Some(frame.sepc),
                sstatus: Some(frame.sstatus),
                satp: Some(frame.satp),
                hart: Some(3),
                gpr: core::array::from_fn(|n| Some(frame.gpr[n + 1])),
                code: Some(code),
                stack: Some(stack),
                more: Vec::new(),
            };
            prop_assert_eq!(&dumps, &[expected]);
            prop_assert_eq!(dumps[0].register("sp"), Some(frame.gpr[2]));
            prop_assert_eq!(dumps[0].register("t6"), Some(frame.gpr[31]));
            prop_assert_eq!(dumps[0].register("x0"), None);
        }

        #[test]
        fn every_changed_byte_is_detected(frame in frames(), at in any::<prop::sample::Index>(), to in 0x20..0x7fu8) {
            let mut bytes = text(&frame, 2, &[1, 2], &[3]).into_bytes();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to && bytes[at] != b'\n');
            bytes[at] = to;
            let text = String::from_utf8(bytes).unwrap();
            for dump in read(&text) {
                prop_assert!(dump.integrity != Integrity::Whole, "{}", text);
            }
        }

        #[test]
        fn intact_lines_of_a_damaged_dump_are_read(frame in frames(), keep in any::<u32>()) {
            let text = text(&frame, 2, &[1, 2], &[3]);
            let count = text.lines().count();
            let kept = |n: usize| n == 0 || n == 1 || keep >> n & 1 == 1;
            let lines: Vec<_> = text.lines().enumerate().filter(|(n, _)| kept(*n)).map(|(_, line)| line).collect();
            let dumps = read(&lines.join("\n"));
            prop_assert_eq!(dumps.len(), 1);
            let dump = &dumps[0];
            prop_assert_eq!((dump.scause, dump.sepc), (Some(frame.scause), Some(frame.sepc)));
            prop_assert_eq!(dump.integrity == Integrity::Whole, lines.len() == count);
            prop_assert_eq!(dump.register("ra").is_some(), kept(2));
            prop_assert_eq!(dump.register("t6").is_some(), kept(9));
            prop_assert_eq!(dump.code.is_some(), kept(10));
        }

        #[test]
        fn arbitrary_text_is_handled(lines in prop::collection::vec(
            "(\\[handoff\\] )?(EXCEPTION cause |END OF DUMP|sepc 0x|ra |t4|stack|code|s11)?[ -~\u{80}-\u{fff}]{0,60}", 0..40)
        ) {
            read(&lines.join("\n"));
        }
    }

    #[test]
    fn each_reader_leaves_the_other_architectures_dumps_alone() {
        let own = text(&frame([7; 36], 13, 8), 2, &[], &[]);
        let other = "[handoff] EXCEPTION vector 6 (#UD invalid opcode) error none mode long phase verify format 1\n\
                     [handoff] rip 0x0000000000001234 rflags 0x0000000000000046 cr2 0x00000000deadbeef\n";
        let dumps = read(&format!("{other}{own}"));
        assert_eq!(dumps.len(), 1);
        assert_eq!(dumps[0].integrity, Integrity::Whole);
        let mut reader = Reader::<Dump>::default();
        let log = format!("{own}{other}");
        let dumps: Vec<_> = log.lines().flat_map(|line| reader.line(line)).collect();
        assert!(dumps.is_empty() && reader.is_open());
        assert_eq!(reader.finish().and_then(|dump| dump.vector), Some(6));
    }

    #[test]
    fn a_cause_without_its_name_and_a_lost_first_line() {
        let whole = text(&frame([7; 36], 13, 8), 2, &[], &[]);
        let changed = whole.replace("load page fault", "load page fail");
        assert_eq!(read(&changed)[0].scause, None);
        assert_eq!(read(&changed)[0].stval, Some(7));
        let (_, headless) = whole.split_once('\n').unwrap();
        let dumps = read(headless);
        assert_eq!(
            (dumps.len(), dumps[0].integrity, dumps[0].sepc),
            (1, Integrity::Damaged, Some(7))
        );
    }
}
