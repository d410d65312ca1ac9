//! Reads the handoff's log in RAM after a reset. Format: [`handoff::ramlog`].

mod read;

pub use read::{read, read_text};

use crate::sys::number;
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::ramlog::{HEADER_LEN, LogHeader, MAGIC, MAX_SIZE, MIN_SIZE, VERSION};
use handoff::spec::Console;
use xen_shim::cmdline::Cmdline;
use xen_shim::fix::{Fix, Remedy, tail};
use zerocopy::{FromBytes, FromZeros};

/// Example of a parameter that reserves memory. 256 MiB is above the memory
/// used to decompress kernels, and below the end of memory of any machine.
pub const EXAMPLE: &str = "memmap=64K$0x10000000";

/// Contents of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Physical address.
    pub addr: u64,
    /// Number of handoffs that have written to it.
    pub handoffs: u32,
    /// Number of bytes ever written; more than in `text` when the ring buffer
    /// has wrapped.
    pub total: u64,
    /// The newest text, oldest byte first.
    pub text: Vec<u8>,
}

impl Log {
    /// Returns the text for a terminal: invalid UTF-8 and control characters
    /// become U+FFFD.
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

/// Errors of reading a log.
#[derive(Debug, thiserror::Error)]
pub enum RamLogError {
    /// No address is given or known.
    #[error(
        "no RAM log: this kernel reserves no memory for one, and no address was given{}",
        tail(self.fix())
    )]
    NoPlace,
    /// The address is not aligned or out of range.
    #[error("RAM log at {0:#x}: the address must be a nonzero multiple of 4096 below 128 TiB")]
    Address(u64),
    /// /dev/mem cannot be read.
    #[error(
        "cannot read the RAM log at {addr:#x} through {path}: {source}; this needs root, no \
         lockdown, and memory that the running kernel does not use{}",
        tail(self.fix()),
        path = path.display()
    )]
    Read {
        /// Physical address.
        addr: u64,
        /// Path of the device.
        path: std::path::PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// There is no log at this address.
    #[error("no RAM log at {addr:#x}: it starts with {found:#018x}, expected {MAGIC:#018x}")]
    Magic {
        /// Physical address.
        addr: u64,
        /// First word found.
        found: u64,
    },
    /// Unsupported format.
    #[error("RAM log at {addr:#x} has format {found}, this mbtool reads format {VERSION}")]
    Version {
        /// Physical address.
        addr: u64,
        /// Version found.
        found: u32,
    },
    /// Inconsistent fields.
    #[error(
        "RAM log at {addr:#x} is damaged: size {size:#x} (must be whole pages, {MIN_SIZE:#x} to \
         {MAX_SIZE:#x}), {total:#x} bytes written, check word {check:#x}"
    )]
    Damaged {
        /// Physical address.
        addr: u64,
        /// Size field, in bytes.
        size: u32,
        /// Number of bytes written.
        total: u64,
        /// Complement of that number.
        check: u64,
    },
}

impl Fix for RamLogError {
    fn fix(&self) -> Remedy {
        match self {
            Self::NoPlace | Self::Read { .. } => {
                Some(format!("boot the kernel with {EXAMPLE} on its command line").into())
            }
            Self::Address(_) | Self::Magic { .. } | Self::Version { .. } | Self::Damaged { .. } => {
                None
            }
        }
    }
}

/// Checks the header at the start of `bytes`.
///
/// # Errors
///
/// When there is none, or its fields are inconsistent.
pub fn header(addr: u64, bytes: &[u8]) -> Result<LogHeader, RamLogError> {
    let header = match LogHeader::read_from_prefix(bytes) {
        Ok((header, _)) => header,
        Err(_) => LogHeader::new_zeroed(),
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

/// Parses a whole log.
///
/// # Errors
///
/// When it is not a log, or `bytes` is incomplete.
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

/// Returns memory that a kernel with this command line does not use:
/// `memmap=SIZE$ADDR`.
#[must_use]
pub fn reserved(cmdline: &str) -> Vec<PhysRange> {
    let line = Cmdline::linux(cmdline);
    line.values("memmap")
        .flat_map(|value| value.split(','))
        .filter_map(|part| {
            let (size, addr) = part.split_once('$')?;
            PhysRange::from_len(memparse(addr)?, memparse(size)?)
        })
        .filter(|range| !range.is_empty())
        .collect()
}

/// Parses a number like Linux's `memparse`: with suffix K, M, G or T.
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
    number::parse(digits)?.checked_mul(1 << shift)
}

/// Returns the log for `range`: whole pages, up to the maximum size.
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
