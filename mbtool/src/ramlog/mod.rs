//! The handoff's log in RAM, read back after a reset. Format: [`handoff::ramlog`].

mod read;

pub use read::{read, read_text};

use crate::sys::text;
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::ramlog::{HEADER_LEN, LogHeader, MAGIC, MAX_SIZE, MIN_SIZE, VERSION};
use handoff::spec::Console;

/// What to put on a kernel's command line. 256 MiB: above where kernels are
/// unpacked, below the end of the memory of any machine.
pub const EXAMPLE: &str = "memmap=64K$0x10000000";

/// A log as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Physical address.
    pub addr: u64,
    /// Handoffs that have written to it.
    pub handoffs: u32,
    /// Bytes ever written; more than `text` has when the ring has wrapped.
    pub total: u64,
    /// The newest text, oldest byte first.
    pub text: Vec<u8>,
}

impl Log {
    /// The text for a terminal: what is no UTF-8 or controls a terminal becomes
    /// U+FFFD.
    #[must_use]
    pub fn printable(&self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let safe = |c: char| match c {
            '\n' | '\t' => c,
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        };
        text.chars().map(safe).collect()
    }
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub enum RamLogError {
    /// No address given and none to be guessed.
    #[error(
        "no RAM log: this kernel keeps no memory for one (boot it with {EXAMPLE} on its command \
         line), and no address was given"
    )]
    NoPlace,
    /// Not aligned, or not addressable.
    #[error("RAM log at {0:#x}: the address must be a multiple of 4096, not 0, below 128 TiB")]
    Address(u64),
    /// /dev/mem.
    #[error(
        "cannot read the RAM log at {addr:#x} through {path}: {source}; it takes root and no \
         lockdown, and the running kernel must not use that memory itself: boot it with \
         {EXAMPLE} on its command line",
        path = path.display()
    )]
    Read {
        /// Where.
        addr: u64,
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something else is there.
    #[error("no RAM log at {addr:#x}: it starts with {found:#018x}, a log with {MAGIC:#018x}")]
    Magic {
        /// Where.
        addr: u64,
        /// First word.
        found: u64,
    },
    /// Another format.
    #[error("RAM log at {addr:#x} has format {found}, this mbtool reads format {VERSION}")]
    Version {
        /// Where.
        addr: u64,
        /// Its version.
        found: u32,
    },
    /// Fields that contradict each other.
    #[error(
        "RAM log at {addr:#x} is damaged: size {size:#x} (must be whole pages, {MIN_SIZE:#x} to \
         {MAX_SIZE:#x}), {total:#x} bytes written, check word {check:#x}"
    )]
    Damaged {
        /// Where.
        addr: u64,
        /// Bytes it says it has.
        size: u32,
        /// Bytes it says were written.
        total: u64,
        /// Complement of that.
        check: u64,
    },
}

/// The header at the start of `bytes`, checked.
///
/// # Errors
///
/// There is none, or its fields contradict each other.
pub fn header(addr: u64, bytes: &[u8]) -> Result<LogHeader, RamLogError> {
    let word = |at: usize| {
        let word = bytes.get(at..at + 8).and_then(|word| word.first_chunk());
        u64::from_le_bytes(word.copied().unwrap_or_default())
    };
    let half = |at: usize| word(at) as u32;
    let header = LogHeader {
        magic: word(0),
        version: half(8),
        size: half(12),
        total: word(16),
        check: word(24),
        handoffs: half(32),
        reserved: [0; 7],
    };
    if header.magic != MAGIC {
        let found = header.magic;
        return Err(RamLogError::Magic { addr, found });
    }
    if header.version != VERSION {
        let found = header.version;
        return Err(RamLogError::Version { addr, found });
    }
    let pages = u64::from(header.size).is_multiple_of(PAGE_SIZE);
    if !header.is_log(header.size) || !pages || !(MIN_SIZE..=MAX_SIZE).contains(&header.size) {
        return Err(RamLogError::Damaged {
            addr,
            size: header.size,
            total: header.total,
            check: header.check,
        });
    }
    Ok(header)
}

/// Reads a whole region.
///
/// # Errors
///
/// It is no log, or `bytes` has not all of it.
pub fn parse(addr: u64, bytes: &[u8]) -> Result<Log, RamLogError> {
    let header = header(addr, bytes)?;
    let Some(ring) = bytes.get(HEADER_LEN..header.size as usize) else {
        return Err(RamLogError::Damaged {
            addr,
            size: header.size,
            total: header.total,
            check: header.check,
        });
    };
    let text = match usize::try_from(header.total) {
        Ok(total) if total <= ring.len() => ring[..total].to_vec(),
        _ => {
            let at = (header.total % ring.len() as u64) as usize; // below the length
            [&ring[at..], &ring[..at]].concat()
        }
    };
    Ok(Log {
        addr,
        handoffs: header.handoffs,
        total: header.total,
        text,
    })
}

/// Memory that a kernel with this command line leaves alone: `memmap=SIZE$ADDR`.
#[must_use]
pub fn reserved(cmdline: &str) -> Vec<PhysRange> {
    let values = cmdline
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("memmap="));
    values
        .flat_map(|value| value.split(','))
        .filter_map(|part| {
            let (size, addr) = part.split_once('$')?;
            PhysRange::from_len(memparse(addr)?, memparse(size)?)
        })
        .filter(|range| !range.is_empty())
        .collect()
}

/// A number as Linux's `memparse` reads it: K, M, G, T behind it.
fn memparse(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        b'T' | b't' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    if digits.is_empty() {
        return None;
    }
    text::number(digits)?.checked_mul(1 << shift)
}

/// The log that fills the whole pages of `range`, as far as a log may grow.
#[must_use]
pub fn console_in(range: PhysRange) -> Option<Console> {
    let pages = range.align_inward(PAGE_SIZE)?;
    let size = u32::try_from(pages.len().min(MAX_SIZE.into())).ok()?;
    (pages.start != 0).then_some(Console::RamLog {
        addr: pages.start,
        size,
    })
}

#[cfg(test)]
mod tests;
