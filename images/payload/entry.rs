//! Entry from 32-bit protected mode to Rust: `entry.S`, and the registers that
//! it stores.

// UNSAFETY: the first instructions of a freestanding image are assembly.
#![expect(unsafe_code)]

use core::arch::global_asm;
use core::mem::{offset_of, size_of};

/// Bytes of stack.
const STACK_BYTES: usize = 0x8000;

/// Result of SGDT and SIDT in 32-bit mode.
#[repr(C, packed(2))]
pub struct TableRegister {
    /// Bytes in the table, less one.
    pub limit: u16,
    /// Linear address.
    pub base: u32,
}

/// Registers as the loader left them, in the order in which `entry.S` can save
/// them. Zero in the file.
#[repr(C)]
pub struct State {
    /// EFER; 0 if there is none.
    pub efer: u64,
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
    pub esi: u32,
    pub edi: u32,
    pub ebp: u32,
    pub esp: u32,
    /// Control flags; the arithmetic ones are undefined.
    pub eflags: u32,
    pub cs: u32,
    pub ds: u32,
    pub es: u32,
    pub fs: u32,
    pub gs: u32,
    pub ss: u32,
    pub cr0: u32,
    pub cr2: u32,
    pub cr3: u32,
    pub cr4: u32,
    pub dr7: u32,
    pub gdtr: TableRegister,
    pub idtr: TableRegister,
    pub ldtr: u16,
    pub tr: u16,
    /// Address of the first dirty dword of .bss; 0 when .bss was all zero.
    pub bss_dirty: u32,
    /// Run-time address of .bss.
    pub bss_start: u32,
    /// Bytes of .bss.
    pub bss_bytes: u32,
    /// Descriptor table of the payload.
    pub gdt: [u64; 3],
    /// Limit, then base (filled in at run time).
    gdt_pointer: [u8; 8],
    /// Distance from this structure to the anchor in the code.
    to_anchor: u32,
    padding: u32,
}

const _: () = assert!(offset_of!(State, gdt) % 8 == 0);
const _: () = assert!(size_of::<State>() == offset_of!(State, gdt) + 40);

global_asm!(
    include_str!("entry.S"),
    MB2_MAGIC = const 0x36d7_6289_u32,
    SCRATCH = const 0x500,
    MSR_EFER = const 0xc000_0080_u32,
    EFER_LME = const 1 << 8,
    PRESENT_WRITE = const 0x3,
    PRESENT_WRITE_LARGE = const 0x83,
    // PAE, OSFXSR, OSXMMEXCPT
    CR4_LONG_MODE = const 1 << 5 | 1 << 9 | 1 << 10,
    // all except EM and TS
    CR0_KEEP = const !(1_u32 << 2 | 1 << 3),
    // PG, NE, MP, PE
    CR0_SET = const 1_u32 << 31 | 1 << 5 | 1 << 1 | 1,
    CODE64 = const 0x08,
    DATA = const 0x10,
    COM1 = const 0x3f8,
    STACK_BYTES = const STACK_BYTES,
    EFER = const offset_of!(State, efer),
    EAX = const offset_of!(State, eax),
    EBX = const offset_of!(State, ebx),
    ECX = const offset_of!(State, ecx),
    EDX = const offset_of!(State, edx),
    ESI = const offset_of!(State, esi),
    EDI = const offset_of!(State, edi),
    EBP = const offset_of!(State, ebp),
    ESP = const offset_of!(State, esp),
    EFLAGS = const offset_of!(State, eflags),
    CS = const offset_of!(State, cs),
    DS = const offset_of!(State, ds),
    ES = const offset_of!(State, es),
    FS = const offset_of!(State, fs),
    GS = const offset_of!(State, gs),
    SS = const offset_of!(State, ss),
    CR0 = const offset_of!(State, cr0),
    CR2 = const offset_of!(State, cr2),
    CR3 = const offset_of!(State, cr3),
    CR4 = const offset_of!(State, cr4),
    DR7 = const offset_of!(State, dr7),
    GDTR = const offset_of!(State, gdtr),
    IDTR = const offset_of!(State, idtr),
    LDTR = const offset_of!(State, ldtr),
    TR = const offset_of!(State, tr),
    BSS_DIRTY = const offset_of!(State, bss_dirty),
    BSS_START = const offset_of!(State, bss_start),
    BSS_BYTES = const offset_of!(State, bss_bytes),
    GDT = const offset_of!(State, gdt),
    GDT_POINTER = const offset_of!(State, gdt_pointer),
    TO_ANCHOR = const offset_of!(State, to_anchor),
);
