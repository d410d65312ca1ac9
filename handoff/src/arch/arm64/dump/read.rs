//! Reads a dump from its lines, whole or damaged.

extern crate alloc;
use super::{DIGITS, GENERAL, ROW_CPU, ROW_PC};
use crate::arch::arm64::registers::REGIMES;
use crate::arch::arm64::syndrome::{class_name, vector_kind};
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
pub struct Arm64Dump {
    /// Integrity of the dump.
    pub integrity: Integrity,
    /// Version of the text ([`FORMAT`](crate::dump::FORMAT)); 0 if the first line has none.
    pub format: Option<u32>,
    /// `ESR`.
    pub esr: Option<u64>,
    /// `FAR`.
    pub far: Option<u64>,
    /// Vector that was taken: 0 to 15.
    pub vector: Option<u64>,
    /// Exception level, as an index into [`REGIMES`].
    pub regime: Option<u32>,
    /// Index into [`PHASES`](crate::abi::PHASES).
    pub phase: Option<u32>,
    /// `ELR`.
    pub elr: Option<u64>,
    /// `SPSR`.
    pub spsr: Option<u64>,
    /// `SCTLR`.
    pub sctlr: Option<u64>,
    /// `HCR_EL2`; 0 at EL1.
    pub hcr: Option<u64>,
    /// `MPIDR_EL1`.
    pub mpidr: Option<u64>,
    /// x0 to x30, then sp.
    pub gpr: [Option<u64>; 32],
    /// Bytes at `elr`, up to the first damaged one; empty if the handoff could not read them.
    pub code: Option<Vec<u8>>,
    /// Words at sp, up to the first damaged one; empty if the handoff could not read them.
    pub stack: Option<Vec<u64>>,
    /// Other lines of the dump, without [`PREFIX`](crate::dump::PREFIX).
    pub more: Vec<String>,
}

impl Default for Arm64Dump {
    fn default() -> Self {
        Self {
            integrity: Integrity::Truncated,
            format: None,
            esr: None,
            far: None,
            vector: None,
            regime: None,
            phase: None,
            elr: None,
            spsr: None,
            sctlr: None,
            hcr: None,
            mpidr: None,
            gpr: [None; 32],
            code: None,
            stack: None,
            more: Vec::new(),
        }
    }
}

impl Arm64Dump {
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

impl DumpFields for Arm64Dump {
    fn begin(line: &str) -> Option<Self> {
        if !line.starts_with(" esr ") {
            return None;
        }
        let value = |name| number(after(line, name)?.strip_prefix("0x")?, Width::Minimal);
        // a digit may be lost, but not together with the name
        let class = |esr: &u64| {
            between(line, " (", ") far ").is_some_and(|name| name.as_bytes() == class_name(*esr))
        };
        let vector = |vector: &u64| {
            let kind = line.split_once(") far ")?.1;
            let kind = between(kind, " (", ", ")?;
            Some(*vector < 16 && kind.as_bytes() == vector_kind(*vector))
        };
        let regime = after(line, " level ")
            .and_then(|text| entries(REGIMES).position(|name| name == text.as_bytes()));
        Some(Self {
            format: format(line),
            esr: value(" esr ").filter(class),
            far: value(" far "),
            vector: after(line, " vector ")
                .and_then(|text| text.parse().ok())
                .filter(|number| vector(number) == Some(true)),
            regime: regime.map(|regime| regime as u32), // three
            phase: phase(line),
            ..Self::default()
        })
    }

    fn is_second(line: &str) -> bool {
        line.starts_with("elr 0x")
    }

    fn take(&mut self, line: &str) -> bool {
        const WIDTH: Width = Width::Exact(DIGITS);
        if let Some(filled) = fill_registers(line, GENERAL, WIDTH, &mut self.gpr) {
            return filled;
        }
        match line.split(' ').next().unwrap_or("") {
            "elr" => {
                let slots = [&mut self.elr, &mut self.spsr, &mut self.sctlr];
                fill(line, ROW_PC, WIDTH, slots)
            }
            "hcr" => fill(line, ROW_CPU, WIDTH, [&mut self.hcr, &mut self.mpidr]),
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
    use crate::arch::arm64::abi::Arm64Frame;
    use crate::arch::arm64::dump::{Arm64Record, write};
    use crate::dump::Summed;
    use crate::dump::read::{Dump, Reader};
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Arm64Dump> {
        let mut reader = Reader::default();
        let mut dumps: Vec<_> = text.lines().flat_map(|line| reader.line(line)).collect();
        dumps.extend(reader.finish());
        dumps
    }

    fn text(frame: &Arm64Frame, phase: u32, code: &[u8], stack: &[u64]) -> String {
        let record = Arm64Record {
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
            gpr in any::<[u64; 32]>(),
            words in any::<[u64; 4]>(),
            esr in prop_oneof![(0..64_u64, 0..0x200_0000_u64).prop_map(|(class, rest)| class << 26 | rest), any::<u64>()],
            vector in 0..16_u64,
            level in prop::sample::select(vec![(4, 0), (8, 1 << 31), (8, 1 << 34)]),
        ) -> Arm64Frame {
            let [elr, spsr, far, sctlr] = words;
            Arm64Frame { gpr, vector, elr, spsr, esr, far, sctlr, hcr: level.1, current_el: level.0 }
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
            let expected = Arm64Dump {
                integrity: Integrity::Whole,
                format: Some(crate::dump::FORMAT),
                esr: Some(frame.esr),
                far: Some(frame.far),
                vector: Some(frame.vector),
                regime: Some(match (frame.current_el, frame.hcr >> 34) { (4, _) => 0, (_, 0) => 1, _ => 2 }),
                phase: Some(phase),
                elr: Some(frame.elr),
                spsr: Some(frame.spsr),
                sctlr: Some(frame.sctlr),
                hcr: Some(frame.hcr),
                mpidr: Some(0x8000_0001),
                gpr: frame.gpr.map(Some),
                code: Some(code),
                stack: Some(stack),
                more: Vec::new(),
            };
            prop_assert_eq!(&dumps, &[expected]);
            prop_assert_eq!(dumps[0].register("sp"), Some(frame.gpr[31]));
            prop_assert_eq!(dumps[0].register("x30"), Some(frame.gpr[30]));
            prop_assert_eq!(dumps[0].register("x31"), None);
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
            prop_assert_eq!((dump.esr, dump.elr), (Some(frame.esr), Some(frame.elr)));
            prop_assert_eq!(dump.integrity == Integrity::Whole, lines.len() == count);
            prop_assert_eq!(dump.mpidr.is_some(), kept(2));
            prop_assert_eq!(dump.register("x0").is_some(), kept(3));
            prop_assert_eq!(dump.register("sp").is_some(), kept(10));
            prop_assert_eq!(dump.code.is_some(), kept(11));
        }

        #[test]
        fn arbitrary_text_is_handled(lines in prop::collection::vec(
            "(\\[handoff\\] )?(EXCEPTION esr |END OF DUMP|elr 0x|x0 |x28|stack|code|hcr)?[ -~\u{80}-\u{fff}]{0,60}", 0..40)
        ) {
            read(&lines.join("\n"));
        }
    }

    #[test]
    fn each_reader_leaves_the_other_architectures_dumps_alone() {
        let own = text(&Arm64Frame::default(), 2, &[], &[]);
        let x86 = "[handoff] EXCEPTION vector 6 (#UD invalid opcode) error none mode long phase verify format 1\n\
                   [handoff] rip 0x0000000000001234 rflags 0x0000000000000046 cr2 0x00000000deadbeef\n";
        let riscv = "[handoff] EXCEPTION cause 0x2 (illegal instruction) tval 0x0 mode bare phase exit format 1\n\
                     [handoff] sepc 0x0000000080001234 sstatus 0x0000000000000000\n";
        let dumps = read(&format!("{x86}{riscv}{own}"));
        assert_eq!(dumps.len(), 1);
        assert_eq!(dumps[0].integrity, Integrity::Whole);
        let mut reader = Reader::<Dump>::default();
        let dumps: Vec<_> = own.lines().flat_map(|line| reader.line(line)).collect();
        assert!(dumps.is_empty() && !reader.is_open());
    }

    #[test]
    fn a_number_without_its_name_is_damaged() {
        let frame = Arm64Frame {
            esr: 0x9600_0044,
            vector: 4,
            ..Arm64Frame::default()
        };
        let whole = text(&frame, 2, &[], &[]);
        let changed = whole.replace("data abort", "data abor");
        assert_eq!(
            (read(&changed)[0].esr, read(&changed)[0].vector),
            (None, Some(4))
        );
        let changed = whole.replace("synchronous", "synchro");
        assert_eq!(
            (read(&changed)[0].vector, read(&changed)[0].far),
            (None, Some(0))
        );
        let (_, headless) = whole.split_once('\n').unwrap();
        let dumps = read(headless);
        assert_eq!(
            (dumps.len(), dumps[0].integrity, dumps[0].elr),
            (1, Integrity::Damaged, Some(0))
        );
    }
}
