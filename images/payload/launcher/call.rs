//! Calls the target as Linux's `relocate_kernel` calls an image that returns,
//! and compares the state before and after.

// UNSAFETY: calls machine code that came with the plan; reads all memory.
#![expect(unsafe_code)]

use crate::capture::{NAMES, WORDS};
use crate::console::Console;
use crate::json::Sink;
use crate::plan::{self, Plan};
use core::arch::{asm, global_asm};
use core::mem::offset_of;

/// The first register is the result, not state.
const RAX: usize = 0;
/// Cannot be restored without a GDT that contains it.
const TR: usize = 31;
/// End of the compared memory, which starts at page 1.
const TESTED_END: u64 = 16 << 20;

global_asm!(
    include_str!("../capture.S"),
    include_str!("call.S"),
    PML4 = const offset_of!(Setup, pml4),
    TARGET = const offset_of!(Setup, target),
    CR0 = const offset_of!(Setup, cr0),
    CR4 = const offset_of!(Setup, cr4),
    FULL_GDT = const offset_of!(Setup, full_gdt),
    GDT = const offset_of!(Setup, gdt),
    IDT = const offset_of!(Setup, idt),
    CS = const offset_of!(Setup, cs),
    DS = const offset_of!(Setup, ds),
    ES = const offset_of!(Setup, es),
    TR = const offset_of!(Setup, tr),
    MSR_EFER = const 0xc000_0080_u32,
    EFER_NXE_SCE = const 1 << 11 | 1,
    OWN_CODE = const 0x08,
    OWN_DATA = const 0x10,
    WORDS = const WORDS,
);

unsafe extern "C" {
    fn call_state(setup: *const Setup);
}

/// Operand of `lgdt` and `lidt`, with two bytes in front so that the base is
/// aligned.
#[repr(C)]
#[derive(Clone, Copy)]
struct TablePointer {
    limit: [u8; 2],
    base: [u8; 8],
    padding: [u8; 6],
}

impl TablePointer {
    fn new(limit: u16, base: u64) -> Self {
        Self {
            limit: limit.to_le_bytes(),
            base: base.to_le_bytes(),
            padding: [0; 6],
        }
    }
}

/// State for the call.
#[repr(C)]
struct Setup {
    target: u64,
    pml4: u64,
    cr0: u64,
    cr4: u64,
    /// GDT to load the selectors from.
    full_gdt: TablePointer,
    /// GDT during the call.
    gdt: TablePointer,
    idt: TablePointer,
    cs: u32,
    ds: u32,
    es: u32,
    tr: u32,
}

/// Flat 64-bit code, data: accessed bit set.
const CODE64: u64 = 0x00af_9b00_0000_ffff;
const DATA: u64 = 0x00cf_9300_0000_ffff;

/// Calls `plan.eax` times; prints all differences.
pub fn rounds(plan: &Plan<'_>, pml4: u64) {
    let mut console = Console::new();
    let before = digest(plan);
    let mut answer = 0;
    for round in 0..plan.eax {
        let (was, is) = call(plan, pml4);
        answer = is[RAX];
        for (n, (was, is)) in was.iter().zip(&is).enumerate() {
            let expected = n == RAX || n == TR && plan.ebx == plan::STATE_LINUX;
            if was != is && !expected {
                differs(&mut console, round, name(n), *was, *is);
            }
        }
        let after = digest(plan);
        if before != after {
            differs(&mut console, round, b"memory", before, after);
        }
    }
    console.text("\r\nMBTOOL-LAUNCHER returned ");
    hex(&mut console, plan.eax.into());
    console.text(" times, rax ");
    hex(&mut console, answer);
    console.text(", digest ");
    hex(&mut console, before);
    console.text("\r\n");
}

/// Calls once; returns the captured words before and after.
fn call(plan: &Plan<'_>, pml4: u64) -> ([u64; WORDS], [u64; WORDS]) {
    let tss = [0_u32; 26];
    let base = &raw const tss as u64;
    let low = (size_of_val(&tss) as u64 - 1)
        | (base & 0xff_ffff) << 16
        | 0x89 << 40
        | (base >> 24 & 0xff) << 56;
    // 0x10 and 0x18 as in Linux, 0x30 to 0x40 otherwise, 0x40 or 0x48 for the
    // TSS
    let linux = plan.ebx == plan::STATE_LINUX;
    let gdt = if linux {
        [0, 0, CODE64, DATA, 0, 0, 0, 0, low, base >> 32, 0]
    } else {
        [0, 0, 0, 0, 0, 0, CODE64, DATA, DATA, low, base >> 32]
    };
    let full_gdt = TablePointer::new((size_of_val(&gdt) - 1) as u16, gdt.as_ptr() as u64);
    let none = TablePointer::new(0, 0);
    let setup = Setup {
        target: plan.entry,
        pml4,
        // Linux's value; or with AM and WP
        cr0: if linux { 0x8000_0033 } else { 0x8005_0033 },
        // PAE; or with DE, PGE, OSFXSR, OSXMMEXCPT
        cr4: if linux { 0x20 } else { 0x6a8 },
        full_gdt,
        gdt: if linux { none } else { full_gdt },
        idt: if linux {
            none
        } else {
            TablePointer::new(0xfff, 0x1234_5000)
        },
        cs: if linux { 0x10 } else { 0x30 },
        ds: if linux { 0x18 } else { 0x38 },
        es: if linux { 0x18 } else { 0x40 },
        tr: if linux { 0x40 } else { 0x48 },
    };
    let (before, after): (*const [u64; WORDS], *const [u64; WORDS]);
    // SAFETY: the tables live on this stack, which the page tables map; the
    // buffers are call.S's, and are not written after it has returned.
    unsafe {
        asm!("/* {} {} */", in(reg) &tss, in(reg) &gdt, options(nostack, preserves_flags));
        call_state(&raw const setup);
        asm!(
            "lea {}, [rip + call_before]",
            "lea {}, [rip + call_after]",
            out(reg) before,
            out(reg) after,
            options(nomem, nostack, preserves_flags)
        );
        (before.read(), after.read())
    }
}

/// A digest of memory up to [`TESTED_END`], without the called segment.
fn digest(plan: &Plan<'_>) -> u64 {
    let mut skip = (0, 0);
    for i in 0..plan.count {
        if let Some(segment) = plan.segment(i) {
            let end = segment.destination + segment.memsz;
            if (segment.destination..end).contains(&plan.entry) {
                skip = (segment.destination, end);
            }
        }
    }
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut page = 4096;
    while page < TESTED_END {
        if page >= skip.0 && page < skip.1 || (0xa_0000..0x10_0000).contains(&page) {
            page += 4096;
            continue;
        }
        for word in 0..512 {
            // SAFETY: RAM, mapped one to one, read for the digest.
            let word = unsafe { ((page + word * 8) as *const u64).read_volatile() };
            sum = (sum ^ word)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(23);
        }
        page += 4096;
    }
    sum
}

fn differs(console: &mut Console, round: u32, name: &[u8], was: u64, is: u64) {
    console.text("\r\nMBTOOL-LAUNCHER differs in round ");
    hex(console, round.into());
    console.text(": ");
    for &byte in name {
        console.byte(byte);
    }
    console.text(" was ");
    hex(console, was);
    console.text(", is ");
    hex(console, is);
    console.text("\r\n");
}

fn name(n: usize) -> &'static [u8] {
    NAMES
        .as_bytes()
        .split(|&byte| byte == b'|')
        .nth(n)
        .unwrap_or(b"?")
}

fn hex(console: &mut Console, value: u64) {
    console.text("0x");
    for digit in (0..16).rev() {
        let nibble = (value >> (4 * digit) & 15) as u8;
        console.byte(if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' - 10 + nibble
        });
    }
}
