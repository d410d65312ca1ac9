//! Text format of a report.

use super::address_map::MappedPlace;
use super::registers::GPR;
use super::report::DecodedDump;
use super::scan::DumpSource;
use super::symbols::Symbol;
use std::fmt;

/// Width for wrapping sentences.
const WIDTH: usize = 100;

impl fmt::Display for DecodedDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        for note in &self.notes {
            wrap(f, "  note: ", "        ", note)?;
        }
        for address in &self.addresses {
            write!(f, "  {} {}", address.register, address.value)?;
            names(f, address.place.as_ref(), address.symbol.as_ref())?;
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
        self.registers(f)?;
        if !self.stack.is_empty() {
            writeln!(f, "\n  stack")?;
            for word in &self.stack {
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
        match &self.vector {
            Some(vector) => write!(f, "{} (vector {})", vector.name, vector.number)?,
            None => write!(f, "an exception whose vector is lost")?,
        }
        if let Some(error) = &self.error {
            write!(f, ", error code {}", error.value)?;
            if !error.parts.is_empty() {
                write!(f, ": {}", error.parts.join(", "))?;
            }
        }
        let by = match self.source {
            DumpSource::Handoff => "the handoff",
            DumpSource::Linux => "Linux",
        };
        write!(
            f,
            "\n  dumped by {by} at line {} of the log, {}",
            self.line, self.integrity
        )?;
        if let Some(mode) = self.mode {
            write!(f, ", {mode} mode")?;
        }
        if let Some(phase) = &self.phase {
            write!(f, ", phase {phase}")?;
        }
        writeln!(f)?;
        if !self.missing.is_empty() {
            wrap(f, "  lost: ", "        ", &self.missing.join(" "))?;
        }
        Ok(())
    }

    fn registers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n  registers")?;
        let rows: [&[&str]; 6] = [
            &GPR[..4],
            &GPR[4..8],
            &GPR[8..12],
            &GPR[12..],
            &["cs", "ds", "es", "fs", "gs", "ss"],
            &["cr2", "cr3"],
        ];
        for row in rows {
            let known: Vec<String> = row
                .iter()
                .filter_map(|name| Some(format!("{name} {}", self.registers.get(name)?)))
                .collect();
            if !known.is_empty() {
                writeln!(f, "    {}", known.join("  "))?;
            }
        }
        for name in ["rflags", "cr0", "cr4", "efer", "dr6"] {
            if let (Some(value), Some(bits)) = (self.registers.get(name), self.bits.get(name)) {
                writeln!(
                    f,
                    "    {}",
                    format!("{name} {value}  {}", bits.join(" ")).trim_end()
                )?;
            }
        }
        Ok(())
    }
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
fn stopped(text: &str) -> String {
    let stop = if text.ends_with('?') { "" } else { "." };
    format!("{text}{stop}")
}

/// Capitalizes, unless it starts with a name.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first)
            if text
                .split(' ')
                .next()
                .is_some_and(|word| word.chars().all(char::is_alphabetic) && word != "rip") =>
        {
            first.to_uppercase().collect::<String>() + chars.as_str()
        }
        _ => text.to_owned(),
    }
}

fn wrap(f: &mut fmt::Formatter<'_>, first: &str, next: &str, text: &str) -> fmt::Result {
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
