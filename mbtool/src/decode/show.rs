//! Text format of a report.

mod arm64;
mod riscv64;

use super::address_map::MappedPlace;
use super::found::DumpSource;
use super::registers::GPR;
use super::report::DecodedDump;
use super::stack::StackSlot;
use super::symbols::Symbol;
use crate::arch::Architecture;
use handoff::arch::arm64::dump::read::Arm64Dump;
use handoff::arch::riscv64::dump::read::RiscvDump;
use std::fmt;

/// Width for wrapping sentences.
const WIDTH: usize = 100;
/// Words of a stack that is shown whole.
const SHORT_STACK: usize = 16;

impl fmt::Display for DecodedDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        for note in &self.notes {
            wrap(f, "  note: ", "        ", note)?;
        }
        for address in &self.addresses {
            write!(f, "  {} {}", address.register, address.value)?;
            if let Some(at) = self.at.as_ref().filter(|_| is_counter(address.register)) {
                write!(f, "  {at}")?;
            }
            names(f, address.place.as_ref(), address.symbol.as_ref())?;
        }
        if let Some(at) = &self.at
            && self
                .addresses
                .iter()
                .all(|address| !is_counter(address.register))
        {
            writeln!(f, "  at {at}")?;
        }
        for access in &self.accesses {
            writeln!(f, "  the instruction {access}")?;
        }
        for explanation in &self.explanations {
            writeln!(f)?;
            wrap(f, "  ", "  ", &stopped(&sentence(&explanation.meaning)))?;
            wrap(f, "  try: ", "       ", &stopped(&explanation.advice))?;
        }
        if !self.code.is_empty() {
            writeln!(f, "\n  code")?;
            for line in &self.code {
                let mark = if line.current { '>' } else { ' ' };
                writeln!(
                    f,
                    "  {mark} {}  {:<30}  {}",
                    line.address, line.bytes, line.text
                )?;
            }
        }
        if !self.registers.is_empty() || self.calls.is_empty() {
            self.registers(f)?;
        }
        self.calls(f)?;
        // of a long stack only what has a name
        let named = |word: &&StackSlot| {
            self.stack.len() <= SHORT_STACK || word.place.is_some() || word.symbol.is_some()
        };
        if self.stack.iter().any(|word| named(&word)) {
            writeln!(f, "\n  stack")?;
            for word in self.stack.iter().filter(named) {
                let address = word.address.as_deref().unwrap_or("?");
                write!(f, "    {address}  {}", word.value)?;
                if word.returns {
                    write!(f, "  return address")?;
                }
                names(f, word.place.as_ref(), word.symbol.as_ref())?;
            }
        }
        if !self.more.is_empty() {
            writeln!(f, "\n  also in the dump")?;
            for line in &self.more {
                writeln!(f, "    {line}")?;
            }
        }
        Ok(())
    }
}

impl DecodedDump {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arm64 = self.arm64.as_ref();
        let arm64_cause = arm64.filter(|arm64| arm64.has_cause());
        match (&self.vector, self.message.first()) {
            _ if let Some(arm64) = arm64_cause => arm64.title(f)?,
            _ if self.cause.is_some() => {
                self.cause
                    .iter()
                    .try_for_each(|cause| write!(f, "{cause}"))?;
            }
            (Some(vector), _) => write!(f, "{} (vector {})", vector.name, vector.number)?,
            (None, Some(message)) => write!(f, "{message}")?,
            (None, None) if matches!(self.source, DumpSource::Qemu | DumpSource::Xen) => {
                write!(f, "the CPU's registers")?;
            }
            (None, None) if self.architecture.is_some() => {
                write!(f, "an exception whose cause is lost")?;
            }
            (None, None) => write!(f, "an exception whose vector is lost")?,
        }
        if let Some(error) = &self.error {
            write!(f, ", error code {}", error.value)?;
            if !error.parts.is_empty() {
                write!(f, ": {}", error.parts.join(", "))?;
            }
        }
        let by = match self.source {
            DumpSource::Linux => "Linux",
            source => source.name(),
        };
        write!(
            f,
            "\n  dumped by {by} at line {} of the log, {}",
            self.line, self.integrity
        )?;
        match (self.mode, self.architecture) {
            (Some("bare"), Some(_)) => write!(f, ", translation off")?,
            (Some(mode), Some(_)) => write!(f, ", translation {mode}")?,
            (Some(mode), None) => write!(f, ", {mode} mode")?,
            (None, _) => {}
        }
        if let Some(hart) = self.hart {
            write!(f, ", hart {hart}")?;
        }
        if let Some(arm64) = arm64 {
            arm64.state(f)?;
        }
        if let Some(phase) = &self.phase {
            write!(f, ", phase {phase}")?;
        }
        writeln!(f)?;
        if !self.missing.is_empty() {
            wrap(f, "  lost: ", "        ", &self.missing.join(" "))?;
        }
        let caused = self.vector.is_some() || self.cause.is_some() || arm64_cause.is_some();
        let title = usize::from(!caused);
        for message in self.message.iter().skip(title) {
            wrap(f, "  message: ", "           ", message)?;
        }
        if !self.context.is_empty() {
            wrap(f, "  context: ", "           ", &self.context.join(", "))?;
        }
        for link in self.chain.iter().skip(1) {
            let code = link.error.as_ref().map_or_else(String::new, |error| {
                let colon = if error.parts.is_empty() { "" } else { ": " };
                format!(
                    ", error code {}{colon}{}",
                    error.value,
                    error.parts.join(", ")
                )
            });
            let vector = &link.vector;
            let text = format!("{} (vector {}){code}", vector.name, vector.number);
            wrap(f, "  then: ", "        ", &text)?;
        }
        if !self.chain.is_empty() {
            writeln!(f, "  then: triple fault")?;
        }
        Ok(())
    }

    fn calls(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.calls.is_empty() {
            writeln!(f, "\n  calls")?;
        }
        for call in &self.calls {
            let mark = if call.uncertain { '?' } else { ' ' };
            write!(f, "  {mark} {}", call.address.as_deref().unwrap_or(""))?;
            if let Some(name) = &call.name {
                let gap = if call.address.is_some() { "  " } else { "" };
                write!(f, "{gap}{name}")?;
            }
            // the name stands there already
            let Some(symbol) = &call.symbol else {
                writeln!(f)?;
                continue;
            };
            if call.name.is_none() {
                write!(f, "  {}+{:#x}", symbol.name, symbol.offset)?;
            }
            writeln!(f, " [{}]", symbol.file)?;
            frames(f, symbol)?;
        }
        Ok(())
    }

    fn registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n  registers")?;
        let is_arm64 = self.architecture == Some(Architecture::Arm64.name());
        let general: Vec<&str> = match self.architecture {
            _ if is_arm64 => Arm64Dump::names().collect(),
            Some(_) => RiscvDump::names().collect(),
            None => GPR.to_vec(),
        };
        let special: &[&[&str]] = match self.architecture {
            _ if is_arm64 => &[&["far"]],
            Some(_) => &[&["hstatus", "htval", "htinst"]],
            None => &[&["cs", "ds", "es", "fs", "gs", "ss"], &["cr2", "cr3"]],
        };
        for row in general.chunks(4).chain(special.iter().copied()) {
            let known: Vec<String> = row
                .iter()
                .filter_map(|name| Some(format!("{name} {}", self.registers.get(name)?)))
                .collect();
            if !known.is_empty() {
                writeln!(f, "    {}", known.join("  "))?;
            }
        }
        for name in ["rflags", "cr0", "cr4", "efer", "dr6", "sstatus"] {
            if let (Some(value), Some(bits)) = (self.registers.get(name), self.bits.get(name)) {
                writeln!(
                    f,
                    "    {}",
                    format!("{name} {value}  {}", bits.join(" ")).trim_end()
                )?;
            }
        }
        if let Some(arm64) = &self.arm64 {
            arm64::named_bits(self, f)?;
            return arm64
                .entry
                .as_ref()
                .map_or(Ok(()), |entry| arm64::entry(entry, f));
        }
        riscv64::registers(self, f)
    }
}

/// True for the program counter's name.
fn is_counter(register: &str) -> bool {
    matches!(register, "rip" | "sepc" | "elr")
}

/// Formats the rest of a line: the location of an address, with source lines
/// below.
fn names(
    f: &mut fmt::Formatter<'_>,
    place: Option<&MappedPlace>,
    symbol: Option<&Symbol>,
) -> fmt::Result {
    if let Some(place) = place {
        write!(f, "  {}+{:#x}", place.name, place.offset)?;
    }
    let Some(symbol) = symbol else {
        return writeln!(f);
    };
    writeln!(
        f,
        "  {}+{:#x} [{}]",
        symbol.name, symbol.offset, symbol.file
    )?;
    frames(f, symbol)
}

/// Formats source lines.
fn frames(f: &mut fmt::Formatter<'_>, symbol: &Symbol) -> fmt::Result {
    for frame in &symbol.frames {
        let function = frame.function.as_deref().unwrap_or("?");
        match (&frame.file, frame.line) {
            (Some(file), Some(line)) => writeln!(f, "        {function} at {file}:{line}")?,
            (Some(file), None) => writeln!(f, "        {function} in {file}")?,
            _ => writeln!(f, "        {function}")?,
        }
    }
    Ok(())
}

/// Adds a full stop.
pub(super) fn stopped(text: &str) -> String {
    let stop = if text.ends_with('?') { "" } else { "." };
    format!("{text}{stop}")
}

/// Capitalizes, unless it starts with a name.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first)
            if text
                .split(' ')
                .next()
                .is_some_and(|word| word.chars().all(char::is_alphabetic) && !is_counter(word)) =>
        {
            first.to_uppercase().collect::<String>() + chars.as_str()
        }
        _ => text.to_owned(),
    }
}

/// Formats a text in lines; `first` and `next` stand in front of them.
pub(super) fn wrap(f: &mut fmt::Formatter<'_>, first: &str, next: &str, text: &str) -> fmt::Result {
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + word.chars().count() >= WIDTH {
            writeln!(f, "{line}")?;
            next.clone_into(&mut line);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    writeln!(f, "{line}")
}
