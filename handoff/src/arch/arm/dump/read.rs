//! Reads a dump from its lines, whole or damaged.

extern crate alloc;
use super::{DIGITS, GENERAL, ROW_PC};
use crate::arch::arm::registers::{MODES, vector_name};
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
pub struct Arm32Dump {
    /// Integrity of the dump.
    pub integrity: Integrity,
    /// Version of the text ([`FORMAT`](crate::dump::FORMAT)); 0 if the first line has none.
    pub format: Option<u32>,
    /// Vector that was taken: 1 to 7.
    pub vector: Option<u32>,
    /// DFSR, IFSR or HSR.
    pub syndrome: Option<u64>,
    /// DFAR, IFAR, HDFAR or HIFAR.
    pub far: Option<u64>,
    /// Mode of the interrupted code, as an index into [`MODES`].
    pub mode: Option<u32>,
    /// Index into [`PHASES`](crate::abi::PHASES).
    pub phase: Option<u32>,
    /// Program counter.
    pub pc: Option<u64>,
    /// CPSR of the interrupted code.
    pub cpsr: Option<u64>,
    /// SCTLR, or HSCTLR in Hyp mode.
    pub sctlr: Option<u64>,
    /// MPIDR.
    pub mpidr: Option<u64>,
    /// r0 to r12, sp, lr.
    pub gpr: [Option<u64>; 15],
    /// Bytes at `pc`, up to the first damaged one; empty if the handoff could not read them.
    pub code: Option<Vec<u8>>,
    /// Words at sp, up to the first damaged one; empty if the handoff could not read them.
    pub stack: Option<Vec<u64>>,
    /// Other lines of the dump, without [`PREFIX`](crate::dump::PREFIX).
    pub more: Vec<String>,
}

impl Default for Arm32Dump {
    fn default() -> Self {
        Self {
            integrity: Integrity::Truncated,
            format: None,
            vector: None,
            syndrome: None,
            far: None,
            mode: None,
            phase: None,
            pc: None,
            cpsr: None,
            sctlr: None,
            mpidr: None,
            gpr: [None; 15],
            code: None,
            stack: None,
            more: Vec::new(),
        }
    }
}

impl Arm32Dump {
    /// Names of [`Self::gpr`], in their order.
    pub fn names() -> impl Iterator<Item = &'static str> {
        entries(GENERAL).map(|name| str::from_utf8(name).unwrap_or("?"))
    }

    /// Returns a register by its name.
    #[must_use]
    pub fn register(&self, name: &str) -> Option<u64> {
        let index = Self::names().position(|known| known == name)?;
        self.gpr[index]
    }
}

impl DumpFields for Arm32Dump {
    fn begin(line: &str) -> Option<Self> {
        if !line.starts_with(" arm ") {
            return None;
        }
        let value = |name| number(after(line, name)?.strip_prefix("0x")?, Width::Minimal);
        // a digit may be lost, but not together with the name
        let named = |vector: &u32| {
            between(line, " (", ") ").is_some_and(|name| name.as_bytes() == vector_name(*vector))
        };
        let mode = after(line, " mode ")
            .and_then(|text| entries(MODES).position(|name| name == text.as_bytes()));
        Some(Self {
            format: format(line),
            vector: after(line, " arm ")
                .and_then(|text| text.parse().ok())
                .filter(named),
            syndrome: value(" syndrome "),
            far: value(" far "),
            mode: mode.map(|mode| mode as u32), // three
            phase: phase(line),
            ..Self::default()
        })
    }

    fn is_second(line: &str) -> bool {
        line.starts_with("pc 0x")
    }

    fn take(&mut self, line: &str) -> bool {
        const WIDTH: Width = Width::Exact(DIGITS);
        if let Some(filled) = fill_registers(line, GENERAL, WIDTH, &mut self.gpr) {
            return filled;
        }
        match line.split(' ').next().unwrap_or("") {
            "pc" => {
                let slots = [
                    &mut self.pc,
                    &mut self.cpsr,
                    &mut self.sctlr,
                    &mut self.mpidr,
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
    use crate::arch::arm::abi::Arm32Frame;
    use crate::arch::arm::dump::{Arm32Record, write};
    use crate::dump::Summed;
    use crate::dump::read::{Dump, Reader};
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Arm32Dump> {
        let mut reader = Reader::default();
        let mut dumps: Vec<_> = text.lines().flat_map(|line| reader.line(line)).collect();
        dumps.extend(reader.finish());
        dumps
    }

    fn text(frame: &Arm32Frame, phase: u32, code: &[u8], stack: &[u64]) -> String {
        let record = Arm32Record {
            frame,
            mpidr: 0x8000_0001,
            phase,
            code,
            stack,
        };
        let mut out = Summed::new(String::new());
        write(&mut out, &record);
        out.clone()
    }

    prop_compose! {
        fn frames()(
            gpr in any::<[u32; 15]>(),
            words in any::<[u32; 4]>(),
            vector in 1..8_u32,
            cpsr in prop::sample::select(vec![0x2000_01d3, 0x1da, 0x1d7]),
        ) -> Arm32Frame {
            let [pc, syndrome, far, sctlr] = words;
            Arm32Frame { gpr, pc, cpsr, vector, syndrome, far, sctlr, unused: 0 }
        }
    }

    proptest! {
        #[test]
        fn a_written_record_is_read_back(
            frame in frames(),
            phase in 0..entries(PHASES).count() as u32,
            code in prop::collection::vec(any::<u8>(), 0..=16),
            stack in prop::collection::vec(0..=u64::from(u32::MAX), 0..=8),
        ) {
            let dumps = read(&text(&frame, phase, &code, &stack));
            let expected = Arm32Dump {
                integrity: Integrity::Whole,
                format: Some(crate::dump::FORMAT),
                vector: Some(frame.vector),
                syndrome: Some(frame.syndrome.into()),
                far: Some(frame.far.into()),
                mode: Some(match frame.cpsr & 31 { 0x13 => 0, 0x1a => 1, _ => 2 }),
                phase: Some(phase),
                pc: Some(frame.pc.into()),
                cpsr: Some(frame.cpsr.into()),
                sctlr: Some(frame.sctlr.into()),
                mpidr: Some(0x8000_0001),
                gpr: frame.gpr.map(|value| Some(value.into())),
                code: Some(code),
                stack: Some(stack),
                more: Vec::new(),
            };
            prop_assert_eq!(&dumps, &[expected]);
            prop_assert_eq!(dumps[0].register("lr"), Some(frame.gpr[14].into()));
            prop_assert_eq!(dumps[0].register("r15"), None);
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
            prop_assert_eq!((dump.vector, dump.pc), (Some(frame.vector), Some(frame.pc.into())));
            prop_assert_eq!(dump.integrity == Integrity::Whole, lines.len() == count);
            prop_assert_eq!(dump.register("r0").is_some(), kept(2));
            prop_assert_eq!(dump.register("lr").is_some(), kept(5));
            prop_assert_eq!(dump.code.is_some(), kept(6));
        }

        #[test]
        fn arbitrary_text_is_handled(lines in prop::collection::vec(
            "(\\[handoff\\] )?(EXCEPTION arm |END OF DUMP|pc 0x|r0 |r12|stack|code)?[ -~\u{80}-\u{fff}]{0,60}", 0..40)
        ) {
            read(&lines.join("\n"));
        }
    }

    #[test]
    fn each_reader_leaves_the_other_architectures_dumps_alone() {
        let own = text(&Arm32Frame::default(), 2, &[], &[]);
        let x86 = "[handoff] EXCEPTION vector 6 (#UD invalid opcode) error none mode long phase verify format 1\n\
                   [handoff] rip 0x0000000000001234 rflags 0x0000000000000046 cr2 0x00000000deadbeef\n";
        let riscv = "[handoff] EXCEPTION cause 0x2 (illegal instruction) tval 0x0 mode bare phase exit format 1\n\
                     [handoff] sepc 0x0000000080001234 sstatus 0x0000000000000000\n";
        let arm64 = "[handoff] EXCEPTION esr 0x96000044 (data abort) far 0x8 vector 4 (synchronous, SP_ELx) level el2 phase exit format 1\n\
                     [handoff] elr 0x0000000040001234 spsr 0x00000000000003c9\n";
        let dumps = read(&format!("{x86}{riscv}{arm64}{own}"));
        assert_eq!(dumps.len(), 1);
        assert_eq!(dumps[0].integrity, Integrity::Whole);
        let mut reader = Reader::<Dump>::default();
        let dumps: Vec<_> = own.lines().flat_map(|line| reader.line(line)).collect();
        assert!(dumps.is_empty() && !reader.is_open());
    }

    #[test]
    fn a_number_without_its_name_is_damaged() {
        let frame = Arm32Frame {
            vector: 4,
            ..Arm32Frame::default()
        };
        let whole = text(&frame, 2, &[], &[]);
        let changed = whole.replace("data abort", "data abor");
        assert_eq!(
            (read(&changed)[0].vector, read(&changed)[0].far),
            (None, Some(0))
        );
        let (_, headless) = whole.split_once('\n').unwrap();
        let dumps = read(headless);
        assert_eq!(
            (dumps.len(), dumps[0].integrity, dumps[0].pc),
            (1, Integrity::Damaged, Some(0))
        );
    }
}
