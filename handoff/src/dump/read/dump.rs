//! One dump.

extern crate alloc;
use super::DumpFields;
use super::fields::{Width, after, between, bytes, fill, format, list, mode_of, number, phase};
use crate::dump::{
    FRAME_LOST, Mode, ROW_CR, ROW_GPR0, ROW_GPR4, ROW_GPR8, ROW_GPR12, ROW_IP, ROW_SEL, Record,
    SEL_DIGITS, STACK_WORDS, vector_name,
};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// Integrity of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// Number of lines and checksum agree: every byte is as written.
    Whole,
    /// The last line is there, but lines are missing, added or changed.
    Damaged,
    /// There is no last line.
    Truncated,
}

/// One dump. `None`: the field is missing or damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// Integrity of the dump.
    pub integrity: Integrity,
    /// Version of the text ([`FORMAT`](crate::dump::FORMAT)); 0 if the first line has none.
    pub format: Option<u32>,
    /// Vector.
    pub vector: Option<u8>,
    /// Error code; `Some(None)` for a vector that has none.
    pub error: Option<Option<u64>>,
    /// Mode of the interrupted code.
    pub mode: Option<Mode>,
    /// Index into [`PHASES`](crate::abi::PHASES).
    pub phase: Option<u32>,
    /// Instruction pointer.
    pub rip: Option<u64>,
    /// Flags.
    pub rflags: Option<u64>,
    /// rax rcx rdx rbx rsp rbp rsi rdi r8..r15.
    pub gpr: [Option<u64>; 16],
    /// cs ds es fs gs ss.
    pub sel: [Option<u16>; 6],
    /// cr0 cr2 cr3 cr4.
    pub cr: [Option<u64>; 4],
    /// EFER.
    pub efer: Option<u64>,
    /// DR6.
    pub dr6: Option<u64>,
    /// Bytes at rip, up to the first damaged one; empty if the handoff could not read them.
    pub code: Option<Vec<u8>>,
    /// Words at rsp, up to the first damaged one; empty if the handoff could not read them.
    pub stack: Option<Vec<u64>>,
    /// Other lines of the dump, without [`PREFIX`](crate::dump::PREFIX).
    pub more: Vec<String>,
    /// The stack pointer was not in memory, so that rip, flags, cs and error code are not known.
    pub frame_lost: bool,
}

impl Default for Dump {
    fn default() -> Self {
        Self {
            integrity: Integrity::Truncated,
            format: None,
            vector: None,
            error: None,
            mode: None,
            phase: None,
            rip: None,
            rflags: None,
            gpr: [None; 16],
            sel: [None; 6],
            cr: [None; 4],
            efer: None,
            dr6: None,
            code: None,
            stack: None,
            more: Vec::new(),
            frame_lost: false,
        }
    }
}

impl Dump {
    /// Returns the record, if it is complete. In protected mode registers 8 to
    /// 15 are zero.
    #[must_use]
    pub fn record(&self) -> Option<Record<'_>> {
        let mode = self.mode?;
        let mut gpr = [0; 16];
        let shown = if mode == Mode::Long { 16 } else { 8 };
        for (to, from) in gpr.iter_mut().zip(self.gpr).take(shown) {
            *to = from?;
        }
        let mut sel = [0; 6];
        for (to, from) in sel.iter_mut().zip(self.sel) {
            *to = from?;
        }
        let mut cr = [0; 4];
        for (to, from) in cr.iter_mut().zip(self.cr) {
            *to = from?;
        }
        Some(Record {
            vector: self.vector?,
            error: self.error?,
            mode,
            phase: self.phase?,
            rip: self.rip?,
            rflags: self.rflags?,
            gpr,
            sel,
            cr,
            efer: self.efer?,
            dr6: self.dr6?,
            code: self.code.as_deref()?,
            stack: self.stack.as_deref()?,
        })
    }
}

impl DumpFields for Dump {
    fn is_second(line: &str) -> bool {
        line.starts_with("rip 0x")
    }

    fn rate(&mut self, integrity: Integrity) {
        self.integrity = integrity;
    }

    fn take(&mut self, line: &str) -> bool {
        let width = self
            .mode
            .map_or(Width::Register, |mode| Width::Exact(mode.digits()));
        match line.split(' ').next().unwrap_or("") {
            "rip" => {
                self.mode = self.mode.or_else(|| mode_of(line));
                let width = self.mode.map_or(width, |mode| Width::Exact(mode.digits()));
                let slots = [&mut self.rip, &mut self.rflags, &mut self.cr[1]];
                fill(line, ROW_IP, width, slots)
            }
            "rax" => fill(line, ROW_GPR0, width, self.gpr[..4].iter_mut()),
            "rsp" => fill(line, ROW_GPR4, width, self.gpr[4..8].iter_mut()),
            "r8" => fill(line, ROW_GPR8, width, self.gpr[8..12].iter_mut()),
            "r12" => fill(line, ROW_GPR12, width, self.gpr[12..].iter_mut()),
            "cs" => {
                let mut wide = self.sel.map(|sel| sel.map(u64::from));
                let fresh = fill(line, ROW_SEL, Width::Exact(SEL_DIGITS), &mut wide);
                self.sel = wide.map(|sel| sel.map(|sel| sel as u16)); // four digits
                fresh
            }
            "cr0" => {
                let [cr0, _, cr3, cr4] = &mut self.cr;
                let slots = [cr0, cr3, cr4, &mut self.efer, &mut self.dr6];
                fill(line, ROW_CR, width, slots)
            }
            "code" => bytes(&mut self.code, line),
            "stack" => list(&mut self.stack, line, STACK_WORDS, |word| {
                number(word.strip_prefix("0x")?, width)
            }),
            _ => {
                self.frame_lost |= line.starts_with(FRAME_LOST);
                self.more.push(line.to_owned());
                true
            }
        }
    }

    fn begin(line: &str) -> Option<Self> {
        if [" cause ", " esr ", " arm "]
            .iter()
            .any(|other| line.starts_with(other))
        {
            return None;
        }
        let vector = between(line, " vector ", " (").and_then(|text| text.parse().ok());
        let error = after(line, " error ").and_then(|text| match text {
            "none" => Some(None),
            _ => Some(Some(number(text.strip_prefix("0x")?, Width::Minimal)?)),
        });
        let mode = after(line, " mode ").and_then(|text| match text {
            "long" => Some(Mode::Long),
            "protected" => Some(Mode::Protected),
            _ => None,
        });
        Some(Self {
            format: format(line),
            // a digit may be lost, but not together with the name
            vector: vector.filter(|v| {
                between(line, " (", ") ").is_some_and(|name| name.as_bytes() == vector_name(*v))
            }),
            error,
            mode,
            phase: phase(line),
            ..Self::default()
        })
    }
}
