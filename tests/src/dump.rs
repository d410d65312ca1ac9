//! An exception dump of the handoff (docs/dump-format.md) in a serial log.

use anyhow::{Context, Result, ensure};
use handoff::abi::PHASES;
use handoff::dump::Mode;
use handoff::dump::read::{self, Integrity, Reader};
use handoff::names::nth;

/// Prefix of every line of the handoff.
pub const HANDOFF: &str = handoff::dump::PREFIX;

/// One whole dump.
#[derive(Clone, Debug)]
pub struct WholeDump(read::Dump);

impl WholeDump {
    /// Parses the only dump in `lines`; none, several, or a damaged one are
    /// errors.
    pub fn parse(lines: &[String]) -> Result<Self> {
        let mut reader = Reader::<read::Dump>::default();
        let mut dumps: Vec<_> = lines.iter().flat_map(|line| reader.line(line)).collect();
        dumps.extend(reader.finish());
        ensure!(dumps.len() == 1, "{} dumps, expected one", dumps.len());
        let dump = dumps.remove(0);
        ensure!(dump.integrity == Integrity::Whole, "{dump:x?}");
        Ok(Self(dump))
    }

    /// Vector, mode (`long` or `protected`) and phase.
    pub fn place(&self) -> Result<(u8, &'static str, &'static str)> {
        let vector = self.0.vector.context("vector")?;
        let mode = match self.0.mode.context("mode")? {
            Mode::Long => "long",
            Mode::Protected => "protected",
        };
        let phase = nth(PHASES, self.0.phase.context("phase")?).context("phase")?;
        Ok((vector, mode, std::str::from_utf8(phase)?))
    }

    /// A register by its name in the dump.
    pub fn register(&self, name: &str) -> Result<u64> {
        const GPR: [&str; 16] = [
            "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11",
            "r12", "r13", "r14", "r15",
        ];
        const SEL: [&str; 6] = ["cs", "ds", "es", "fs", "gs", "ss"];
        const CR: [&str; 4] = ["cr0", "cr2", "cr3", "cr4"];
        let of = |names: &[&str]| names.iter().position(|known| *known == name);
        let dump = &self.0;
        let value = match name {
            "rip" => dump.rip,
            "rflags" => dump.rflags,
            "efer" => dump.efer,
            _ => None,
        };
        value
            .or_else(|| dump.gpr[of(&GPR)?])
            .or_else(|| dump.sel[of(&SEL)?].map(u64::from))
            .or_else(|| dump.cr[of(&CR)?])
            .with_context(|| format!("no {name} in {dump:x?}"))
    }

    /// Bytes at the fault.
    pub fn code(&self) -> &[u8] {
        self.0.code.as_deref().unwrap_or_default()
    }

    /// Words at the stack pointer.
    pub fn stack(&self) -> &[u64] {
        self.0.stack.as_deref().unwrap_or_default()
    }
}
