//! Input of [`crate::blob::build`]: the planner's decisions about the handoff.

use crate::abi::Extent;
use crate::addr::{PAGE_SIZE, PhysRange};
use crate::pagelist::Encoded;
extern crate alloc;
use alloc::{string::String, vec::Vec};

/// Bytes of a PL011's registers.
const PL011_LEN: u64 = 0x1000;

/// A console of the handoff.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// An 8250-compatible UART behind I/O ports.
    Pio {
        /// First I/O port, for instance 0x3f8.
        port: u16,
        /// Divisor latch value to program (115200 / baud), with 8n1 and FIFOs
        /// on. `None` keeps the old kernel's settings.
        divisor: Option<u16>,
    },
    /// An 8250-compatible UART in memory space, mapped uncached.
    Mmio {
        /// Physical address of register 0, below 128 TiB.
        addr: u64,
        /// Bytes between registers: 1, 2, 4, 8 or 16.
        stride: u8,
        /// Access width in bits: 8, 16 or 32.
        width: u8,
        /// See `Pio`.
        divisor: Option<u16>,
    },
    /// A PL011, or the generic UART of SBSA, in memory space; it keeps the old kernel's settings.
    Pl011 {
        /// Physical address of its registers, a multiple of 4.
        addr: u64,
    },
    /// The debug port of QEMU and Bochs: write-only, without status.
    Debugcon {
        /// I/O port, usually 0xe9.
        port: u16,
    },
    /// The firmware's console: SBI, on riscv64.
    Firmware,
    /// A ring buffer in memory that survives a warm reset, see
    /// [`crate::ramlog`]. Mapped uncached, because a reset does not write back
    /// caches.
    RamLog {
        /// Physical address, page aligned.
        addr: u64,
        /// Bytes, header included: whole pages.
        size: u32,
    },
}

impl Console {
    /// Returns the memory that it occupies: a UART's registers, the RAM log.
    /// `None` for I/O ports, and for a range that does not fit in 64 bits.
    #[must_use]
    pub const fn memory(&self) -> Option<PhysRange> {
        match *self {
            Self::Mmio { addr, stride, .. } => PhysRange::from_len(addr, 8 * stride as u64),
            Self::Pl011 { addr } => PhysRange::from_len(addr, PL011_LEN),
            Self::RamLog { addr, size } => PhysRange::from_len(addr, size as u64),
            Self::Pio { .. } | Self::Debugcon { .. } | Self::Firmware => None,
        }
    }
}

/// Action after a fault or a failed verification was reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFault {
    /// Halt with interrupts off.
    Halt,
    /// Reset the machine (port 0xcf9, then 8042, then a triple fault).
    Reset,
}

/// How loaded segments are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// No verification.
    None,
    /// CRC-32 (IEEE 802.3, as in gzip): detects accidental corruption.
    Crc32,
    /// SHA-256 (FIPS 180-4): detects any corruption.
    Sha256,
}

/// A checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// CRC-32 (IEEE 802.3, as in gzip).
    Crc32(u32),
    /// SHA-256 (FIPS 180-4).
    Sha256([u8; 32]),
}

/// A loaded segment to verify before anything depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Segment name for the report; truncated to [`crate::abi::NAME_LEN`]
    /// bytes.
    pub name: String,
    /// Destination; bytes after `loaded` must be zero.
    pub range: PhysRange,
    /// Bytes at the start of `range` that the checksum covers.
    pub loaded: u64,
    /// Their digest, of the type [`Spec::verify`].
    pub digest: Digest,
    /// [`zero_pages`] of it: used to count lost pages that are zero
    /// (docs/verification.md).
    pub zero_pages: u64,
}

/// Counts the zero pages of a page-aligned region: those of its `loaded` bytes,
/// and of the zero fill after them up to `memsz` bytes.
#[must_use]
pub fn zero_pages(loaded: &[u8], memsz: u64) -> u64 {
    let pages = loaded.chunks(PAGE_SIZE as usize);
    let all = pages.len() as u64;
    let zero = pages.filter(|page| page.iter().all(|byte| *byte == 0));
    zero.count() as u64 + memsz.div_ceil(PAGE_SIZE).saturating_sub(all)
}

/// The CPU that the handoff runs on, by the boot processor flag of its local
/// APIC base register. After a panic it may be any CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCpu {
    /// Any CPU.
    #[default]
    Any,
    /// The boot CPU.
    Boot,
    /// Any other CPU.
    Other,
}

/// A change to memory just before the jump, after verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixup {
    /// Store a 16-bit word (BIOS data area).
    Store16 {
        /// Physical address.
        addr: u64,
        /// The word.
        value: u16,
    },
    /// Copy the ACPI RSDP after checking its signature and checksum.
    CopyRsdp {
        /// Address of firmware's RSDP.
        from: u64,
        /// Address of the copy.
        to: u64,
        /// 20 (ACPI 1.0) or 36.
        len: u32,
        /// On which CPU.
        on: OnCpu,
    },
    /// Store zeros (a synthetic EBDA page is zeroed first).
    Zero {
        /// Physical address.
        addr: u64,
        /// Bytes.
        len: u64,
    },
}

/// Entry state of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 32-bit protected mode, paging off, Multiboot2 registers.
    Multiboot2 {
        /// EIP.
        entry: u32,
        /// EBX: the boot information.
        mbi: u32,
    },
    /// 32-bit protected mode, paging off, Multiboot1 registers.
    Multiboot1 {
        /// EIP.
        entry: u32,
        /// EBX: the boot information.
        info: u32,
    },
    /// 32-bit protected mode, paging off, by the x86/HVM direct boot ABI
    /// (docs/misc/pvh of Xen).
    Pvh {
        /// EIP.
        entry: u32,
        /// EBX: `struct hvm_start_info`.
        start_info: u32,
    },
    /// Long mode by Linux's 64-bit boot protocol. Above 4 GiB the kernel and `boot_params` must be
    /// in [`Spec::regions`], whose memory is mapped.
    Linux64 {
        /// RIP.
        entry: u64,
        /// RSI: `struct boot_params`.
        boot_params: u64,
    },
    /// Long mode, Multiboot2 registers.
    Long {
        /// RIP.
        entry: u32,
        /// RBX: the boot information.
        mbi: u32,
    },
    /// Called in long mode; when it returns, exchanges are reverted and the
    /// handoff returns to its own caller.
    Return {
        /// RIP.
        entry: u32,
    },
}

/// Memory to move and to clear after verification, before the fix-ups. Extents
/// and ranges to clear may lie above 4 GiB, in at most about 32 different GiB
/// ([`crate::abi::HIGH_TABLES`]); a page list and its pages below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relocate {
    /// Exchange instead of copying.
    pub swap: bool,
    /// A page list. Its pages must be in memory: segments like any other.
    pub list: Option<Encoded>,
    /// Moves, done in this order ([`crate::extents::order`]). A source need not
    /// be loaded: memory at address 0 can be backed up before the fixups change
    /// it.
    pub extents: Vec<Extent>,
    /// Set to zero after all moves: at most [`crate::abi::MAX_CLEARS`], of any
    /// alignment and length, none in a destination of a move. Not allowed
    /// with `swap`, which must be reversible.
    pub clear: Vec<PhysRange>,
}

/// A deliberate failure, to test that a machine's console shows dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drill {
    /// No drill.
    Off,
    /// `ud2` in long mode, after verification.
    FaultLong,
    /// `ud2` in 32-bit protected mode, after the switch, instead of the
    /// target's first instruction.
    FaultProtected,
    /// Call code in long mode, after the fix-ups: for tests of the handoff. The
    /// page is mapped executable and read-only; the code may return.
    Call(u64),
}

/// Everything that goes into the blob's parameters.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Physical address of the blob: page aligned, below 4 GiB.
    pub base: u64,
    /// Consoles: at most [`crate::abi::MAX_SINKS`]; all get the same output.
    pub consoles: Vec<Console>,
    /// Action after a fault.
    pub on_fault: OnFault,
    /// Verify `regions` (names the bad one and ends by `on_fault`).
    pub verify: Verify,
    /// Loaded segments at their load addresses, which may be above 4 GiB.
    pub regions: Vec<Region>,
    /// Memory to move and to clear; `regions` are verified before, at the
    /// sources of moves.
    pub relocate: Relocate,
    /// Low-memory changes, in order.
    pub fixups: Vec<Fixup>,
    /// The target.
    pub exit: Exit,
    /// Deliberate failure.
    pub drill: Drill,
    /// Set watchpoints at both ends of the blob, so that a target that
    /// overwrites it is dumped. The target must not use the blob's memory
    /// before it has set DR7 itself.
    pub guard: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_pages_are_those_of_the_memory() {
        let mut bytes = alloc::vec![0; 4 * PAGE_SIZE as usize + 5];
        assert_eq!(zero_pages(&bytes, bytes.len() as u64), 5);
        assert_eq!(zero_pages(&bytes, 7 * PAGE_SIZE), 7);
        bytes[2 * PAGE_SIZE as usize] = 1;
        bytes[4 * PAGE_SIZE as usize + 4] = 1;
        assert_eq!(zero_pages(&bytes, bytes.len() as u64), 3);
        assert_eq!(zero_pages(&bytes, 6 * PAGE_SIZE + 1), 5);
        assert_eq!(zero_pages(&[], 0), 0);
    }
}
