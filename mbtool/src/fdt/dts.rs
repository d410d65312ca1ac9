//! Trees as text, in the form of dtc's output: for people, and for dtc where names are those of the specification.

use super::tree::{DeviceTree, DtNode, DtProperty};
use std::fmt::{self, Display, Write};

impl Display for DeviceTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("/dts-v1/;\n\n")?;
        for range in &self.reservations {
            writeln!(f, "/memreserve/ {:#x} {:#x};", range.start, range.len())?;
        }
        if self.boot_cpu != 0 {
            writeln!(f, "// boot CPU {:#x}", self.boot_cpu)?;
        }
        Lines::new(f, "").node(&self.root, "/")
    }
}

/// Writer of indented lines.
pub(super) struct Lines<'a, W> {
    to: &'a mut W,
    /// Start of each line.
    prefix: &'static str,
    depth: usize,
}

impl<'a, W: Write> Lines<'a, W> {
    pub(super) fn new(to: &'a mut W, prefix: &'static str) -> Self {
        Self {
            to,
            prefix,
            depth: 0,
        }
    }

    /// A node with all that is in it, by this name.
    pub(super) fn node(&mut self, node: &DtNode, name: &str) -> fmt::Result {
        self.line(format_args!("{} {{", Name(name)))?;
        self.depth += 1;
        for property in &node.properties {
            self.property(property)?;
        }
        for child in &node.children {
            self.node(child, &child.name)?;
        }
        self.depth -= 1;
        self.line(format_args!("}};"))
    }

    /// A property.
    pub(super) fn property(&mut self, property: &DtProperty) -> fmt::Result {
        let (name, value) = (Name(&property.name), Value(&property.value));
        match property.value.is_empty() {
            true => self.line(format_args!("{name};")),
            false => self.line(format_args!("{name} = {value};")),
        }
    }

    /// A line.
    pub(super) fn line(&mut self, text: fmt::Arguments<'_>) -> fmt::Result {
        self.to.write_str(self.prefix)?;
        for _ in 0..self.depth {
            self.to.write_char('\t')?;
        }
        writeln!(self.to, "{text}")
    }
}

/// A name; characters that the specification does not permit are escaped, so that a name ends where it seems to.
pub(super) struct Name<'a>(pub(super) &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            match byte {
                b'/' | b',' | b'.' | b'_' | b'+' | b'-' | b'?' | b'#' | b'@' => {
                    f.write_char(byte.into())?;
                }
                _ if byte.is_ascii_alphanumeric() => f.write_char(byte.into())?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

/// A value, whose type the blob does not have: strings if it can be some, else cells, else bytes.
struct Value<'a>(&'a [u8]);

impl Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = |byte: &u8| (b' '..=b'~').contains(byte);
        let texts = self.0.strip_suffix(b"\0").filter(|texts| {
            let mut texts = texts.split(|&byte| byte == 0);
            texts.all(|text| !text.is_empty() && text.iter().all(printable))
        });
        if let Some(texts) = texts {
            for (index, text) in texts.split(|&byte| byte == 0).enumerate() {
                f.write_str(if index == 0 { "\"" } else { ", \"" })?;
                for byte in text {
                    if matches!(byte, b'"' | b'\\') {
                        f.write_char('\\')?;
                    }
                    f.write_char((*byte).into())?;
                }
                f.write_char('"')?;
            }
            return Ok(());
        }
        let (cells, rest) = self.0.as_chunks::<4>();
        if rest.is_empty() {
            f.write_char('<')?;
            for (index, cell) in cells.iter().enumerate() {
                let space = if index == 0 { "" } else { " " };
                write!(f, "{space}{:#x}", u32::from_be_bytes(*cell))?;
            }
            return f.write_char('>');
        }
        f.write_char('[')?;
        for (index, byte) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{byte:02x}")?;
        }
        f.write_char(']')
    }
}
