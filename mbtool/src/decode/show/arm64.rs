//! What only the text of an arm64 dump has.

use super::{names, sentence, stopped, wrap};
use crate::decode::arm64::{DecodedArm64Entry, DecodedException, DecodedSyndrome};
use crate::decode::report::{DecodedArm64, DecodedDump};
use std::collections::BTreeMap;
use std::fmt;

impl fmt::Display for DecodedSyndrome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (esr {})", self.name, self.value)?;
        if !self.parts.is_empty() {
            write!(f, ": {}", self.parts.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for DecodedException {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (vector {}, {})", self.kind, self.vector, self.source)
    }
}

impl DecodedArm64 {
    /// True if the dump tells which exception it is.
    pub(super) const fn has_cause(&self) -> bool {
        self.syndrome.is_some() || self.exception.is_some()
    }

    /// Formats the exception.
    pub(super) fn title(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.syndrome, &self.exception) {
            (Some(syndrome), _) => write!(f, "{syndrome}"),
            (None, Some(exception)) => write!(f, "{exception}"),
            (None, None) => Ok(()),
        }
    }

    /// Formats level, translation, CPU, and the source of the exception if it is not the usual one.
    pub(super) fn state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(level) = self.level {
            write!(f, ", {level}")?;
        }
        if let Some(on) = self.translation {
            write!(f, ", translation {}", on_off(on))?;
        }
        if let Some(cpu) = &self.cpu {
            write!(f, ", cpu {cpu}")?;
        }
        match &self.exception {
            Some(exception) if self.syndrome.is_some() && exception.source != "SP_ELx" => {
                write!(
                    f,
                    ", from {} (vector {})",
                    exception.source, exception.vector
                )
            }
            _ => Ok(()),
        }
    }
}

/// Formats registers whose bits have names.
pub(super) fn named_bits(dump: &DecodedDump, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bits(f, ["spsr", "sctlr", "hcr"], &dump.registers, &dump.bits)
}

fn bits<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    shown: [&'static str; N],
    registers: &BTreeMap<&'static str, String>,
    bits: &BTreeMap<&'static str, Vec<&'static str>>,
) -> fmt::Result {
    for name in shown {
        if let (Some(value), Some(bits)) = (registers.get(name), bits.get(name)) {
            let text = format!("{name} {value}  {}", bits.join(" "));
            writeln!(f, "    {}", text.trim_end())?;
        }
    }
    Ok(())
}

const fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Formats the state at entry.
pub(super) fn entry(entry: &DecodedArm64Entry, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "\n  at entry")?;
    let state = [
        entry.level.map(str::to_owned),
        entry
            .translation
            .map(|on| format!("translation {}", on_off(on))),
        entry.cpu.as_ref().map(|cpu| format!("cpu {cpu}")),
        entry.psci.map(|psci| match psci {
            "none" => "no psci".to_owned(),
            psci => format!("psci by {psci}"),
        }),
    ];
    let state: Vec<String> = state.into_iter().flatten().collect();
    if !state.is_empty() {
        writeln!(f, "    {}", state.join(", "))?;
    }
    bits(f, ["sctlr", "hcr"], &entry.registers, &entry.bits)?;
    if let Some(vbar) = &entry.vbar {
        write!(f, "    vbar {}", vbar.base)?;
        names(f, vbar.place.as_ref(), vbar.symbol.as_ref())?;
    }
    let general = handoff::arch::arm64::dump::read::Arm64Dump::names();
    let known: Vec<String> = general
        .filter_map(|name| Some(format!("{name} {}", entry.registers.get(name)?)))
        .collect();
    for row in known.chunks(4) {
        writeln!(f, "    {}", row.join("  "))?;
    }
    for meaning in &entry.meaning {
        wrap(f, "    ", "    ", &stopped(&sentence(meaning)))?;
    }
    Ok(())
}
