//! Jumps to the target: descriptor tables here, instructions in `jump.S`.

// UNSAFETY: jumps to another program.
#![expect(unsafe_code)]

use core::arch::{asm, global_asm};

global_asm!(
    include_str!("jump.S"),
    MSR_EFER = const 0xc000_0080_u32,
    EFER_NXE_SCE = const 1 << 11 | 1,
    EFER_NO_LME = const !(1_u32 << 8),
    AP_PAGE = const AP_PAGE,
);

unsafe extern "C" {
    fn jump_long(entry: u64, pml4: u64, stack_end: u64, gdt: *const TablePointer, pml5: u64) -> !;
    fn jump_direct(entry: u32, eax: u32, ebx: u32, gdt: *const TablePointer) -> !;
    fn jump_xen(entry: u64, pml4: u64, control: u64, gdt: *const TablePointer) -> !;
}

/// Operand of LGDT in long mode.
#[repr(C, packed)]
struct TablePointer {
    limit: u16,
    base: u64,
}

/// Flat 64-bit code, 32-bit code, data: accessed bit set.
const CODE64: u64 = 0x00af_9b00_0000_ffff;
const CODE32: u64 = 0x00cf_9b00_0000_ffff;
const DATA: u64 = 0x00cf_9300_0000_ffff;

/// A page for the stack of the target.
#[repr(align(4096))]
struct Page([u8; 4096]);

/// Jumps in long mode, with five levels of paging if there is a PML5.
pub fn long(entry: u64, pml4: u64, pml5: Option<u64>) -> ! {
    let tss = [0_u32; 26];
    let stack = Page([0; 4096]);
    let base = &raw const tss as u64;
    // available 64-bit TSS (Intel SDM 3A, 8.2.3): limit, base in four pieces
    let low = (size_of_val(&tss) as u64 - 1)
        | (base & 0xff_ffff) << 16
        | 0x89 << 40
        | (base >> 24 & 0xff) << 56;
    let gdt = [0, CODE32, CODE64, DATA, 0, 0, 0, 0, low, base >> 32];
    let pointer = table_pointer(&gdt);
    let stack_end = stack.0.as_ptr_range().end as u64;
    publish(&tss);
    publish(&stack);
    publish(&gdt);
    // SAFETY: all four live on the stack of a function that never returns, in
    // RAM, which the new page tables map.
    unsafe {
        jump_long(
            entry,
            pml4,
            stack_end,
            &raw const pointer,
            pml5.unwrap_or(0),
        )
    }
}

/// Entry of an application CPU: a page below 1 MiB.
pub const AP_PAGE: u32 = 0x8000;
/// Xen's GDT begins at selector 0xe000.
const XEN_GDT: u64 = 0xe000;

/// The page of the code of [`xen`], to be mapped.
pub fn xen_code() -> u64 {
    let code: u64;
    // SAFETY: LEA computes an address; it touches no memory.
    unsafe {
        asm!("lea {}, [rip + jump_xen]", out(reg) code,
             options(nomem, nostack, preserves_flags, pure));
    }
    code & !0xfff
}

/// Jumps like Xen's kexec. `control` is the prepared control page.
pub fn xen(entry: u64, pml4: u64, control: u64) -> ! {
    let tss = [0_u32; 26];
    let base = &raw const tss as u64;
    let low = (size_of_val(&tss) as u64 - 1)
        | (base & 0xff_ffff) << 16
        | 0x89 << 40
        | (base >> 24 & 0xff) << 56;
    let gdt = [0, CODE64, 0, 0, 0, 0, 0, 0, low, base >> 32];
    let pointer = TablePointer {
        limit: 0xefff,
        base: gdt.as_ptr() as u64 - XEN_GDT,
    };
    publish(&tss);
    publish(&gdt);
    // SAFETY: as above; selectors below 0xe000 are not used, so memory before
    // the table is not read.
    unsafe { jump_xen(entry, pml4, control, &raw const pointer) }
}

/// Jumps in 32-bit protected mode.
pub fn direct(entry: u32, eax: u32, ebx: u32) -> ! {
    let gdt = [0, 0, CODE32, DATA];
    let pointer = table_pointer(&gdt);
    publish(&gdt);
    // SAFETY: as above; everything is below 4 GiB.
    unsafe { jump_direct(entry, eax, ebx, &raw const pointer) }
}

fn table_pointer(gdt: &[u64]) -> TablePointer {
    TablePointer {
        limit: (size_of_val(gdt) - 1) as u16,
        base: gdt.as_ptr() as u64,
    }
}

/// Makes the compiler store `value` to memory.
fn publish<T>(value: &T) {
    // SAFETY: no instruction.
    unsafe { asm!("/* {} */", in(reg) value, options(nostack, preserves_flags)) };
}
