//! What only the text of a riscv64 dump has.

use super::names;
use crate::decode::report::DecodedDump;
use crate::decode::riscv64::{DecodedCause, DecodedSatp};
use std::fmt;

/// Formats `satp` and the state at entry.
pub(super) fn registers(dump: &DecodedDump, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let (Some(value), Some(satp)) = (dump.registers.get("satp"), &dump.satp) {
        writeln!(f, "    satp {value}  {satp}")?;
    }
    let Some(entry) = &dump.entry else {
        return Ok(());
    };
    writeln!(f, "\n  at entry")?;
    if let (Some(value), Some(satp)) = (entry.registers.get("satp"), &entry.satp) {
        writeln!(f, "    satp {value}  {satp}")?;
    }
    if let Some(value) = entry.registers.get("sstatus") {
        let text = format!("sstatus {value}  {}", entry.sstatus.join(" "));
        writeln!(f, "    {}", text.trim_end())?;
    }
    if let Some(stvec) = &entry.stvec {
        let mode = stvec.mode.unwrap_or("reserved mode");
        write!(f, "    stvec {} ({mode})", stvec.base)?;
        names(f, stvec.place.as_ref(), stvec.symbol.as_ref())?;
    }
    Ok(())
}

impl fmt::Display for DecodedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.interrupt { "interrupt" } else { "cause" };
        write!(f, "{} ({kind} {:#x})", self.name, self.code)
    }
}

impl fmt::Display for DecodedSatp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(root) = &self.root else {
            return f.write_str("translation off");
        };
        write!(
            f,
            "{}, root table at {root}",
            self.mode.unwrap_or("unknown mode")
        )?;
        if let Some(place) = &self.place {
            write!(f, " ({}+{:#x})", place.name, place.offset)?;
        }
        match self.asid {
            0 => Ok(()),
            asid => write!(f, ", address space {asid}"),
        }
    }
}
