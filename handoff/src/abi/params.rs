//! Parameters of the blob.

#[cfg(not(freestanding))]
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Size of a segment name in bytes.
pub const NAME_LEN: usize = 32;
/// Maximum number of regions to verify.
pub const MAX_REGIONS: usize = 32;
/// Size of a digest field in bytes.
pub const DIGEST_LEN: usize = 32;
/// Maximum number of fixups.
pub const MAX_FIXUPS: usize = 16;
/// Maximum number of extents.
pub const MAX_EXTENTS: usize = 64;
/// Maximum number of ranges to clear.
pub const MAX_CLEARS: usize = 64;
/// Maximum number of console sinks.
pub const MAX_SINKS: usize = 4;
/// [`SinkRaw::kind`]: unused.
pub const CONSOLE_NONE: u32 = 0;
/// [`SinkRaw::kind`]: 8250 behind I/O ports.
pub const CONSOLE_PIO: u32 = 1;
/// [`SinkRaw::kind`]: 8250 in memory space.
pub const CONSOLE_MMIO: u32 = 2;
/// [`SinkRaw::kind`]: a port that takes bytes without a status (QEMU, Bochs).
pub const CONSOLE_DEBUGCON: u32 = 3;
/// [`SinkRaw::kind`]: a ring in memory, see [`crate::ramlog`].
pub const CONSOLE_RAM_LOG: u32 = 4;
/// [`SinkRaw::kind`]: the firmware's console (riscv64: SBI).
pub const CONSOLE_SBI: u32 = 5;
/// [`SinkRaw::kind`]: PL011 in memory space.
pub const CONSOLE_PL011: u32 = 6;
/// [`Params::on_fault`]: stop.
pub const ON_FAULT_HALT: u32 = 0;
/// [`Params::on_fault`]: reset the machine.
pub const ON_FAULT_RESET: u32 = 1;
/// [`Params::drill`]: none.
pub const DRILL_OFF: u32 = 0;
/// [`Params::drill`]: `ud2` in long mode.
pub const DRILL_LONG: u32 = 1;
/// [`Params::drill`]: `ud2` in protected mode.
pub const DRILL_PROTECTED: u32 = 2;
/// [`Params::drill`]: call [`Params::drill_addr`] in long mode. For tests.
pub const DRILL_CALL: u32 = 3;
/// [`Params::verify`]: nothing.
pub const VERIFY_NONE: u32 = 0;
/// [`Params::verify`]: CRC-32.
pub const VERIFY_CRC32: u32 = 1;
/// [`Params::verify`]: SHA-256.
pub const VERIFY_SHA256: u32 = 2;
/// [`Params::exit`]: Multiboot1, i386 machine state.
pub const EXIT_MULTIBOOT1: u32 = 1;
/// [`Params::exit`]: Multiboot2, i386 machine state.
pub const EXIT_MULTIBOOT2: u32 = 2;
/// [`Params::exit`]: PVH, i386 machine state.
pub const EXIT_PVH: u32 = 3;
/// [`Params::exit`]: Linux's 64-bit boot protocol. From here on: long mode.
pub const EXIT_LINUX64: u32 = 4;
/// [`Params::exit`]: Multiboot2 registers in long mode.
pub const EXIT_LONG: u32 = 5;
/// [`Params::exit`]: call the target in long mode; the handoff returns after
/// it.
pub const EXIT_RETURN: u32 = 6;
/// Names of [`Params::exit`], by number, separated by bars.
pub const EXITS: &str = "?|multiboot, 32-bit|multiboot2, 32-bit|pvh, 32-bit|linux, 64-bit|\
                         multiboot2, 64-bit|call, 64-bit";
/// [`FixupRaw::kind`]: store a 16-bit word.
pub const FIXUP_STORE16: u32 = 1;
/// [`FixupRaw::kind`]: copy an RSDP.
pub const FIXUP_COPY_RSDP: u32 = 2;
/// [`FixupRaw::kind`]: zero bytes.
pub const FIXUP_ZERO: u32 = 3;
/// Bit of [`FixupRaw::kind`]: only if the handoff runs on the boot CPU.
pub const FIXUP_IF_BOOT_CPU: u32 = 1 << 8;
/// Bit of [`FixupRaw::kind`]: only if it runs on another CPU.
pub const FIXUP_IF_OTHER_CPU: u32 = 1 << 9;

/// A sink of the console.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug)]
pub struct SinkRaw {
    /// `CONSOLE_*`.
    pub kind: u32,
    /// RAM log: size of the region in bytes.
    pub size: u32,
    /// Physical address of an MMIO UART's register 0, or of the RAM log.
    pub addr: u64,
    /// First I/O port.
    pub port: u16,
    /// UART: divisor latch, 0 to leave the UART as it is.
    pub divisor: u16,
    /// Bytes between MMIO registers.
    pub stride: u8,
    /// MMIO access width in bits.
    pub width: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

impl SinkRaw {
    /// An unused entry.
    pub const NONE: Self = Self {
        kind: CONSOLE_NONE,
        size: 0,
        addr: 0,
        port: 0,
        divisor: 0,
        stride: 0,
        width: 0,
        reserved: [0; 2],
    };
}

/// A segment to verify.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug)]
pub struct RegionRaw {
    /// UTF-8, zero padded.
    pub name: [u8; NAME_LEN],
    /// Physical address.
    pub start: u64,
    /// Memory size in bytes; bytes after `loaded` must be zero.
    pub memsz: u64,
    /// Number of bytes that the digest covers.
    pub loaded: u64,
    /// The digest selected by [`Params::verify`]: a CRC-32 (IEEE 802.3), little
    /// endian, then zeroes; or a SHA-256.
    pub digest: [u8; DIGEST_LEN],
    /// Number of zero pages in the region, as loaded.
    pub zero_pages: u64,
}

impl RegionRaw {
    /// Returns the name without padding.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.name.split(|byte| *byte == 0).next().unwrap_or(b"?")
    }
}

/// A change of memory before the jump.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug)]
pub struct FixupRaw {
    /// `FIXUP_*`, and a condition.
    pub kind: u32,
    /// Bytes, for copy and zero.
    pub len: u32,
    /// Physical address written.
    pub to: u64,
    /// The value, or the physical address read.
    pub from: u64,
}

/// A range to copy or to exchange.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Physical address of the destination.
    pub to: u64,
    /// Physical address of the source.
    pub from: u64,
    /// Bytes.
    pub len: u64,
}

/// A range to clear.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClearRaw {
    /// Physical address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
}

/// Memory to move, and then to clear, between verification and the fix-ups.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug)]
pub struct RelocateRaw {
    /// Head of a page list (see [`crate::pagelist`]), 0 for none.
    pub head: u64,
    /// Maximum number of list words to read.
    pub words: u64,
    /// 1 to exchange instead of copying.
    pub swap: u32,
    /// Used entries of `extents`.
    pub extent_count: u32,
    /// Further moves, in order.
    pub extents: [Extent; MAX_EXTENTS],
    /// Used entries of `clears`.
    pub clear_count: u64,
    /// Ranges to clear after all moves.
    pub clears: [ClearRaw; MAX_CLEARS],
}

/// Parameters of the blob.
#[repr(C)]
#[cfg_attr(
    not(freestanding),
    derive(FromBytes, IntoBytes, Immutable, KnownLayout)
)]
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Physical address of the header.
    pub base: u64,
    /// Sinks of the console.
    pub sinks: [SinkRaw; MAX_SINKS],
    /// `ON_FAULT_*`.
    pub on_fault: u32,
    /// `DRILL_*`.
    pub drill: u32,
    /// `VERIFY_*`: how to verify the regions.
    pub verify: u32,
    /// `EXIT_*`.
    pub exit: u32,
    /// Physical address of the boot information: EBX.
    pub mbi: u32,
    /// EAX of the target.
    pub eax: u32,
    /// Entry point of the target; below 4 GiB for one in protected mode.
    pub entry: u64,
    /// RSI of the target.
    pub rsi: u64,
    /// 1 to set watchpoints that detect writes of the target to the blob.
    pub guard: u32,
    /// Used entries of `regions`.
    pub region_count: u32,
    /// Used entries of `fixups`.
    pub fixup_count: u32,
    /// Code for [`DRILL_CALL`], on a page that the host maps executable.
    pub drill_addr: u32,
    /// CR4 of a target in protected mode.
    pub cr4: u32,
    /// Zero: aligns `regions`.
    pub reserved: u32,
    /// Segments to verify.
    pub regions: [RegionRaw; MAX_REGIONS],
    /// Changes to make.
    pub fixups: [FixupRaw; MAX_FIXUPS],
    /// Memory to move.
    pub relocate: RelocateRaw,
    /// CRC-32 of the blob as loaded; see `arch::x86_64::selfcheck`.
    pub checksum: u32,
    /// Zero.
    pub unused: u32,
}
