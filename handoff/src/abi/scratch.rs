//! Memory of the blob that is zero at load.

use crate::names::nth;

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
    /// FS base, GS base, and the kernel GS base of `swapgs` (MSRs).
    pub base: [u64; 3],
}

/// Size of a stack in bytes.
pub const STACK_SIZE: usize = 8192;
/// Tables of the CRC ([`crate::crc`]).
pub const CRC_TABLES: usize = 8;
/// Size of [`Scratch::bounce`] in bytes.
pub const BOUNCE_SIZE: usize = 4096;

/// A stack; it grows down from the end.
#[repr(C, align(16))]
pub struct Stack(pub [u8; STACK_SIZE]);

/// Memory of the blob that starts as zero unless noted.
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
    /// Initial stack of the target.
    pub stack_target: Stack,
    /// A piece of a cycle of moves ([`crate::extents`]).
    pub bounce: [u8; BOUNCE_SIZE],
    /// State at entry.
    pub entry: EntryState,
    /// Protected mode: ESP of the fault, between two instructions of a stub.
    pub trap32_esp: u32,
    /// ESP of the next protected mode trap handler, in `stack_trap32`.
    pub trap32_top: u32,
    /// Nesting level of protected mode trap handlers.
    pub trap32_level: u32,
    /// `PHASE_*`.
    pub phase: u32,
    /// 0, 1 while a dump is written or after the last one, 2 after a nested fault.
    pub dumping: u32,
    /// Number of NMIs that were resumed.
    pub nmi_count: u32,
    /// Bit n: sink n timed out and is disabled. Bit 31: see
    /// [`crate::console::UNMAPPED`].
    pub console_dead: u32,
    /// EFER for the switch back to long mode.
    pub efer: u32,
    /// Return value (RAX) of a called target.
    pub returned_rax: u64,
    /// Tables of the CRC (slicing by 8), computed at start.
    pub crc: [[u32; 256]; CRC_TABLES],
    /// Never written: a watchpoint on it detects a target that overwrites the blob
    /// from its end. The last field.
    pub guard: u64,
}

/// Names of [`Scratch::phase`], by number, separated by bars.
pub const PHASES: &str = "entry|console|verify|fixups|exit|protected mode|target|relocate|return";
/// Name of a phase, "?" for a number without one.
#[must_use]
pub fn phase_name(phase: u32) -> &'static [u8] {
    nth(PHASES, phase).unwrap_or(b"?")
}

/// Index of "entry" in [`PHASES`].
pub const PHASE_ENTRY: u32 = 0;
/// Index of "console".
pub const PHASE_CONSOLE: u32 = 1;
/// Index of "verify".
pub const PHASE_VERIFY: u32 = 2;
/// Index of "fixups".
pub const PHASE_FIXUPS: u32 = 3;
/// Index of "exit": the switch to protected mode.
pub const PHASE_EXIT: u32 = 4;
/// Index of "protected mode": after the switch, before the jump.
pub const PHASE_PROTECTED: u32 = 5;
/// Index of "target".
pub const PHASE_TARGET: u32 = 6;
/// Index of "relocate".
pub const PHASE_RELOCATE: u32 = 7;
/// Index of "return": the target returned.
pub const PHASE_RETURN: u32 = 8;
