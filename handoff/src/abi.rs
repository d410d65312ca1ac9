//! What the planner and the blob must agree on, defined once.
//!
//! The blob is a flat image that starts with a [`Header`]. Behind its code lies
//! the [`Area`]: parameters, descriptor tables and page tables, all filled in
//! by the host before loading, then scratch memory that starts as zero.
//! Nothing is patched at jump time. All integers are little endian.

use core::mem::{offset_of, size_of};

/// Bytes kept of a segment name.
pub const NAME_LEN: usize = 32;
/// Most regions that one handoff verifies.
pub const MAX_REGIONS: usize = 32;
/// Bytes of a checksum's field.
pub const DIGEST_LEN: usize = 32;
/// Most fix-ups.
pub const MAX_FIXUPS: usize = 16;
/// Most extents.
pub const MAX_EXTENTS: usize = 64;
/// Most ranges to clear.
pub const MAX_CLEARS: usize = 64;
/// "MBTHNDOF", little endian.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MBTHNDOF");
/// Raised with every incompatible change of a structure in this file.
pub const VERSION: u32 = 3;

/// Selector of the flat 32-bit code segment. The same number as in Linux's
/// kexec GDT and in Xen's boot GDT, so that gates keep working after the
/// target loaded a GDT of that shape.
pub const SEL_CODE32: u16 = 0x08;
/// Selector of the 64-bit code segment.
pub const SEL_CODE64: u16 = 0x10;
/// Selector of the flat data segment.
pub const SEL_DATA: u16 = 0x18;
/// Selector of the 32-bit task state segment that the target runs in.
pub const SEL_TSS32: u16 = 0x20;
/// Selector of the 32-bit task state segment of the protected mode #DF handler.
pub const SEL_TSS_DF: u16 = 0x38;
/// Selector of the 64-bit task state segment (two slots).
pub const SEL_TSS: u16 = 0x28;

/// Bytes of one 64-bit trap stub: `call rel32`, so that the return address
/// names the vector.
pub const STUB64_LEN: usize = 5;
/// Bytes of one 32-bit trap stub ([`crate::arch::x86_64::descriptors::stub32`]).
pub const STUB32_LEN: usize = 28;
/// Bytes of the protected mode NMI stub.
pub const NMI32_LEN: usize = 22 + STUB32_LEN;
/// [`Frame32::vector`]: #DF by way of the task gate.
pub const VECTOR_DF_TASK: u32 = 0x108;
/// Protected mode trap handlers that may interrupt each other; what faults
/// deeper stops the CPU.
pub const TRAP32_LEVELS: u32 = 3;
/// Bytes of [`Scratch::stack_trap32`] for each.
pub const TRAP32_LEVEL_SIZE: u32 = 1024;
/// Vectors that push an error code (Intel SDM vol. 3, table 6-1; AMD APM
/// vol. 2, table 8-1): #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX.
pub const ERROR_CODE_VECTORS: u32 = 1 << 8
    | 1 << 10
    | 1 << 11
    | 1 << 12
    | 1 << 13
    | 1 << 14
    | 1 << 17
    | 1 << 21
    | 1 << 29
    | 1 << 30;

/// The first bytes of the blob. Offsets count from the header.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Header {
    /// [`MAGIC`].
    pub magic: u64,
    /// [`VERSION`].
    pub version: u32,
    /// Read-only, executable bytes at the start; a multiple of the page size.
    pub text_size: u32,
    /// Bytes of memory needed in all; a multiple of the page size.
    pub mem_size: u32,
    /// Offset of the [`Area`]; a multiple of the page size.
    pub area: u32,
    /// Offset of the long mode entry point.
    pub entry64: u32,
    /// Offset of what the long mode stubs call.
    pub trap64: u32,
    /// Offset of what the protected mode stubs jump to.
    pub trap32: u32,
    /// Offset of the protected mode #DF handler.
    pub df32: u32,
    /// Zero.
    pub reserved: [u32; 2],
}

/// Most sinks of the console.
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
/// [`Params::exit`]: call the target in long mode; it returns, and so do we.
pub const EXIT_RETURN: u32 = 6;
/// Names of [`Params::exit`], by number, separated by bars.
pub const EXITS: &str = "?|multiboot, 32-bit|multiboot2, 32-bit|pvh, 32-bit|linux, 64-bit|\
                         multiboot2, 64-bit|call, 64-bit";
/// Where the state segment of a target in protected mode is. PVH wants base 0:
/// a #DF there then overwrites the first 104 bytes of memory.
#[must_use]
pub const fn target_tss(exit: u32, tss32: u32) -> u32 {
    if exit == EXIT_PVH { 0 } else { tss32 }
}
/// [`FixupRaw::kind`]: store a 16-bit word.
pub const FIXUP_STORE16: u32 = 1;
/// [`FixupRaw::kind`]: copy an RSDP.
pub const FIXUP_COPY_RSDP: u32 = 2;
/// [`FixupRaw::kind`]: zero bytes.
pub const FIXUP_ZERO: u32 = 3;
/// Bit of [`FixupRaw::kind`]: only where the handoff runs on the boot CPU.
pub const FIXUP_IF_BOOT_CPU: u32 = 1 << 8;
/// Bit of [`FixupRaw::kind`]: only where it runs on another CPU.
pub const FIXUP_IF_OTHER_CPU: u32 = 1 << 9;

/// Something to print to.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SinkRaw {
    /// `CONSOLE_*`.
    pub kind: u32,
    /// RAM log: bytes of the region.
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
#[derive(Clone, Copy, Debug)]
pub struct RegionRaw {
    /// UTF-8, zero padded.
    pub name: [u8; NAME_LEN],
    /// Physical address.
    pub start: u64,
    /// Bytes of memory; what lies behind `loaded` must be zero.
    pub memsz: u64,
    /// Bytes that the checksum covers.
    pub loaded: u64,
    /// The checksum that [`Params::verify`] names: a CRC-32 (IEEE 802.3), little
    /// endian, then zeroes; or a SHA-256.
    pub digest: [u8; DIGEST_LEN],
    /// Pages of zeroes among those that the region touches, as loaded.
    pub zero_pages: u64,
}

/// A change of memory before the jump.
#[repr(C)]
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

/// Bytes to move, or to exchange.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Physical address of the destination.
    pub to: u64,
    /// Physical address of the source.
    pub from: u64,
    /// Bytes.
    pub len: u64,
}

/// Bytes to set to zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClearRaw {
    /// Physical address.
    pub start: u64,
    /// Bytes.
    pub len: u64,
}

/// What to move, and then to clear, between verification and the fix-ups.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RelocateRaw {
    /// Head of a page list (see [`crate::pagelist`]), 0 for none.
    pub head: u64,
    /// Words of the list that are looked at: the bound of the walk.
    pub words: u64,
    /// 1 to exchange instead of copying.
    pub swap: u32,
    /// Used entries of `extents`.
    pub extent_count: u32,
    /// More moves, in order.
    pub extents: [Extent; MAX_EXTENTS],
    /// Used entries of `clears`.
    pub clear_count: u64,
    /// What to clear after all moves.
    pub clears: [ClearRaw; MAX_CLEARS],
}

/// The decisions, as the blob reads them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// Physical address of the header.
    pub base: u64,
    /// What to print to.
    pub sinks: [SinkRaw; MAX_SINKS],
    /// `ON_FAULT_*`.
    pub on_fault: u32,
    /// `DRILL_*`.
    pub drill: u32,
    /// `VERIFY_*`: how to verify the regions.
    pub verify: u32,
    /// `EXIT_*`.
    pub exit: u32,
    /// Entry point of the target.
    pub entry: u32,
    /// Physical address of the boot information: EBX.
    pub mbi: u32,
    /// EAX of the target.
    pub eax: u32,
    /// ESI of the target.
    pub esi: u32,
    /// 1 to leave watchpoints behind that catch the target overwriting the blob.
    pub guard: u32,
    /// Used entries of `regions`.
    pub region_count: u32,
    /// Used entries of `fixups`.
    pub fixup_count: u32,
    /// Code for [`DRILL_CALL`], on a page that the host maps executable.
    pub drill_addr: u32,
    /// CR4 of a target in protected mode.
    pub cr4: u32,
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

/// Operand of `lgdt` and `lidt`: 16-bit limit, then the base.
#[repr(C, packed)]
#[derive(Clone, Copy, Debug)]
pub struct Pseudo {
    /// Size in bytes, minus one.
    pub limit: u16,
    /// Linear address.
    pub base: u64,
}

/// One 4 KiB paging structure.
pub type Table = [u64; 512];
/// Paging structures available: PML5, PML4, PDPT, four PDs for 4 GiB, two PTs
/// for the blob, eleven for what the console has in memory: each sink takes
/// a PT below 4 GiB, up to a PDPT, a PD and a PT above, one more PT where it
/// crosses a 2 MiB boundary; and [`HIGH_TABLES`].
pub const TABLES: usize = 20 + HIGH_TABLES;
/// Paging structures for segments and moves above 4 GiB: a PD for each GiB, a
/// PDPT for each 512 GiB.
pub const HIGH_TABLES: usize = 36;

/// Descriptor and page tables, written by the host for one base address.
#[repr(C, align(4096))]
pub struct Tables {
    /// Long mode gates.
    pub idt64: [[u64; 2]; 256],
    /// Protected mode gates.
    pub idt32: [u64; 256],
    /// For the instructions around a change of mode: protected mode gates, but
    /// the long mode gates of NMI and #MC where vectors 4, 5, 36 and 37 were.
    pub idt_both: [u64; 38],
    /// Long mode stubs: with the two tables above on a page that is mapped
    /// read-only and executable.
    pub stubs64: [[u8; STUB64_LEN]; 256],
    /// Up to the end of that page: the CPU writes to what follows.
    pub unused: [u8; 464],
    /// Null, code32, code64, data, TSS32, TSS (two slots), TSS of #DF.
    pub gdt: [u64; 8],
    /// 64-bit TSS (104 bytes).
    pub tss: [u32; 26],
    /// 32-bit TSS of the target: a task switch saves its registers here, or where
    /// [`target_tss`] says.
    pub tss32: [u32; 26],
    /// 32-bit TSS of the protected mode #DF handler.
    pub tss_df: [u32; 26],
    /// Protected mode stubs.
    pub stubs32: [[u8; STUB32_LEN]; 256],
    /// Protected mode stub of NMI.
    pub nmi32: [u8; NMI32_LEN],
    /// For `lgdt`, both modes (the upper half of the base is zero).
    pub gdtr: Pseudo,
    /// For `lidt` in long mode.
    pub idtr64: Pseudo,
    /// For `lidt` in protected mode.
    pub idtr32: Pseudo,
    /// For `lidt` of `idt_both`.
    pub idtr_both: Pseudo,
    /// Value for CR3 with four levels.
    pub cr3: u64,
    /// Value for CR3 with five levels.
    pub cr3_la57: u64,
    /// Pool of paging structures.
    pub pool: Pool,
}

/// The paging structures, page aligned.
#[repr(C, align(4096))]
pub struct Pool(pub [Table; TABLES]);

/// Machine state found at entry, saved before anything is changed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct EntryState {
    /// rax rcx rdx rbx rsp rbp rsi rdi r8..r15 (the hardware's numbering).
    pub gpr: [u64; 16],
    /// RFLAGS.
    pub rflags: u64,
    /// CR0, CR2, CR3, CR4.
    pub cr: [u64; 4],
    /// EFER.
    pub efer: u64,
    /// CS DS ES FS GS SS TR LDTR.
    pub sel: [u16; 8],
    /// As `sgdt` stores it: 16-bit limit, then 64-bit base, packed.
    pub gdtr: [u64; 2],
    /// As `sidt` stores it.
    pub idtr: [u64; 2],
    /// FS base, GS base, and the GS base that `swapgs` brings (MSRs).
    pub base: [u64; 3],
}

/// Bytes of each stack.
pub const STACK_SIZE: usize = 8192;

/// Bytes of [`Scratch::bounce`].
pub const BOUNCE_SIZE: usize = 4096;

/// A stack; it grows down from the end.
#[repr(C, align(16))]
pub struct Stack(pub [u8; STACK_SIZE]);

/// Memory of the blob that starts as zero (except where said).
#[repr(C, align(4096))]
pub struct Scratch {
    /// Main stack.
    pub stack: Stack,
    /// IST 1: faults.
    pub ist_fault: Stack,
    /// IST 2: double fault.
    pub ist_df: Stack,
    /// IST 3: NMI.
    pub ist_nmi: Stack,
    /// IST 4: machine check.
    pub ist_mc: Stack,
    /// Stack of the protected mode trap handler.
    pub stack_trap32: Stack,
    /// ESP that the target finds.
    pub stack_target: Stack,
    /// Where a piece of a ring of moves waits ([`crate::extents`]).
    pub bounce: [u8; BOUNCE_SIZE],
    /// What the old kernel left.
    pub entry: EntryState,
    /// Protected mode: ESP of the fault, between two instructions of a stub.
    pub trap32_esp: u32,
    /// ESP of the next protected mode trap handler, in `stack_trap32`.
    pub trap32_top: u32,
    /// Protected mode trap handlers that run now.
    pub trap32_level: u32,
    /// `PHASE_*`.
    pub phase: u32,
    /// 0, 1 while a dump is written or after the last one, 2 after a nested fault.
    pub dumping: u32,
    /// NMIs seen and resumed.
    pub nmi_count: u32,
    /// Bit n: sink n timed out and gets nothing more. Bit 31: see
    /// [`crate::console::UNMAPPED`].
    pub console_dead: u32,
    /// EFER for the way back to long mode.
    pub efer: u32,
    /// RAX of a target that returned.
    pub returned_rax: u64,
    /// Tables of the CRC (slicing by 8), computed at start.
    pub crc: [[u32; 256]; 8],
    /// Never written: a watchpoint on it catches who overwrites the blob from
    /// its end. The last field.
    pub guard: u64,
}

/// Parameters, tables and scratch memory, in this order behind the code.
#[repr(C, align(4096))]
pub struct Area {
    /// Filled in by the host.
    pub params: Params,
    /// Filled in by the host.
    pub tables: Tables,
    /// Zero at load.
    pub scratch: Scratch,
}

/// What the protected mode trap handler saves, from the lowest address up.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Frame32 {
    /// As `sidt` stores it: 16-bit limit, then 32-bit base, packed.
    pub idtr: [u32; 2],
    /// As `sgdt` stores it.
    pub gdtr: [u32; 2],
    /// TR.
    pub tr: u32,
    /// EFER, low half first.
    pub efer: [u32; 2],
    /// CR0, CR2, CR3, CR4.
    pub cr: [u32; 4],
    /// DS ES FS GS SS.
    pub sel: [u32; 5],
    /// EDI ESI EBP ESP (of the handler) EBX EDX ECX EAX, as `pushad` leaves them.
    pub gpr: [u32; 8],
    /// Vector, in the low byte, or [`VECTOR_DF_TASK`].
    pub vector: u32,
    /// ESP of the fault: points at the CPU's frame, if that reached memory.
    pub esp: u32,
}

/// What the long mode trap handler saves, from the lowest address up. Behind it
/// lie the return address that names the stub and the CPU's own frame.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Frame64 {
    /// CR0 and CR4, before the handler made SSE usable.
    pub cr: [u64; 2],
    /// rax rcx rdx rbx rsp (of the handler) rbp rsi rdi r8..r15.
    pub gpr: [u64; 16],
    /// Return address: names the stub.
    pub ret: u64,
}

/// Names of [`Scratch::phase`], by number, separated by bars.
pub const PHASES: &str = "entry|console|verify|fixups|exit|protected mode|target|relocate|return";
/// Index of "entry" in [`PHASES`].
pub const PHASE_ENTRY: u32 = 0;
/// Index of "console".
pub const PHASE_CONSOLE: u32 = 1;
/// Index of "verify".
pub const PHASE_VERIFY: u32 = 2;
/// Index of "fixups".
pub const PHASE_FIXUPS: u32 = 3;
/// Index of "exit": the drop to protected mode.
pub const PHASE_EXIT: u32 = 4;
/// Index of "protected mode": dropped, before the jump.
pub const PHASE_PROTECTED: u32 = 5;
/// Index of "target".
pub const PHASE_TARGET: u32 = 6;
/// Index of "relocate".
pub const PHASE_RELOCATE: u32 = 7;
/// Index of "return": the target returned.
pub const PHASE_RETURN: u32 = 8;

const _: () = {
    assert!(size_of::<Header>() == 48);
    assert!(offset_of!(Area, tables) % 4096 == 0);
    assert!(offset_of!(Area, scratch) % 4096 == 0);
    assert!(offset_of!(Tables, idt32) % 4096 == 0);
    assert!(offset_of!(Tables, gdt) == offset_of!(Tables, idt32) + 4096);
    assert!(offset_of!(Area, tables.pool) % 4096 == 0);
    assert!(size_of::<Pseudo>() == 10);
    assert!(offset_of!(Params, regions) % 8 == 0);
};
