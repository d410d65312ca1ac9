//! Page tables like those of Xen's kexec, and the CPU that jumps with them.

// UNSAFETY: fills in static tables, starts another CPU.
#![expect(unsafe_code)]

use crate::plan::{self, Plan};
use crate::{jump, rt};
use core::arch::asm;
use core::convert::Infallible;

/// Entries of one table.
const ENTRIES: usize = 512;
/// Present, writable, accessed, dirty: as Xen sets them.
const PAGE: u64 = 0x63;
/// Number of tables: sufficient for a few MiB in a few ranges.
const TABLES: usize = 64;
/// Approximate address of Xen's GDT.
const XEN_GDT: u64 = 0xffff_82d0_ffff_2000;
/// Approximate address of Xen's IDT.
const XEN_IDT: u64 = 0xffff_82d0_4034_5000;
/// Registers of the local APIC.
const LOCAL_APIC: u64 = 0xfee0_0000;
/// Bytes of the application CPU's stack.
const STACK: usize = 0x4000;

/// Page tables.
#[repr(align(4096))]
struct Tables([[u64; ENTRIES]; TABLES]);

/// Xen's control page: its stack, and two pointers.
#[repr(align(4096))]
struct Control([u8; 4096]);

/// Accessed only by the CPU.
#[repr(align(16))]
struct Stack(#[expect(dead_code)] [u8; STACK]);

static mut TABLES_OF_XEN: Tables = Tables([[0; ENTRIES]; TABLES]);
static mut CONTROL: Control = Control([0; 4096]);
static mut AP_STACK: Stack = Stack([0; STACK]);
/// Entry, PML4 and control page for the application CPU.
static mut JUMP: [u64; 3] = [0; 3];

/// Jumps on the CPU that the plan names; `own` are tables that map devices and
/// low memory. Returns the reason for a failure.
pub fn jump(plan: &Plan<'_>, own: u64) -> Result<Infallible, &'static str> {
    let (pml4, control) = prepare(plan).ok_or("more segments than page tables")?;
    if plan.eax == plan::BOOT_CPU {
        jump::xen(plan.entry, pml4, control)
    }
    // SAFETY: nothing reads it before the other CPU starts, which is below.
    unsafe { (&raw mut JUMP).write_volatile([plan.entry, pml4, control]) };
    start_application_cpu(own)
}

/// The first function of the application CPU.
extern "C" fn application_cpu() -> ! {
    // SAFETY: written before this CPU was started.
    let [entry, pml4, control] = unsafe { (&raw const JUMP).read_volatile() };
    jump::xen(entry, pml4, control)
}

/// Fills in page tables and control page; returns their addresses.
fn prepare(plan: &Plan<'_>) -> Option<(u64, u64)> {
    // SAFETY: called once, by the only processor that runs.
    let (tables, control) = unsafe {
        (
            (&raw mut TABLES_OF_XEN).as_mut()?,
            (&raw mut CONTROL).as_mut()?,
        )
    };
    let mut mapper = Mapper { tables, used: 1 };
    for i in 0..plan.count {
        let segment = plan.segment(i)?;
        let end = segment.destination.checked_add(segment.memsz)?;
        let mut page = segment.destination & !0xfff;
        while page < end {
            mapper.map(page)?;
            page += 4096;
        }
    }
    let at = control.0.as_ptr() as u64;
    mapper.map(at)?;
    mapper.map(jump::xen_code())?;
    for (offset, limit, base) in [(0x800, 0xefff_u16, XEN_GDT), (0x810, 0xfff, XEN_IDT)] {
        let pointer = control.0.get_mut(offset..offset + 10)?;
        let (first, rest) = pointer.split_at_mut(2);
        first.copy_from_slice(&limit.to_le_bytes());
        rest.copy_from_slice(&base.to_le_bytes());
    }
    Some((mapper.tables.0.as_ptr() as u64, at))
}

struct Mapper<'a> {
    tables: &'a mut Tables,
    used: usize,
}

impl Mapper<'_> {
    /// Maps one page of 4 KiB; `None` if no table is left.
    fn map(&mut self, page: u64) -> Option<()> {
        let base = self.tables.0.as_ptr() as u64;
        let mut table = 0;
        for shift in [39, 30, 21] {
            let index = (page >> shift) as usize % ENTRIES;
            let used = self.used;
            let slot = self.tables.0.get_mut(table)?.get_mut(index)?;
            if *slot == 0 {
                *slot = (base + 4096 * used as u64) | PAGE;
                self.used += 1;
            }
            table = (((*slot & !0xfff) - base) / 4096) as usize;
        }
        let index = (page >> 12) as usize % ENTRIES;
        *self.tables.0.get_mut(table)?.get_mut(index)? = page | PAGE;
        Some(())
    }
}

/// Starts the CPU with APIC id 1 (Intel SDM vol. 3, 8.4.4) and halts this one.
fn start_application_cpu(own: u64) -> ! {
    let (start, end): (u64, u64);
    // SAFETY: LEA computes addresses; it touches no memory.
    unsafe {
        asm!("lea {}, [rip + ap_start]", "lea {}, [rip + ap_end]", out(reg) start, out(reg) end,
             options(nomem, nostack, preserves_flags, pure));
    }
    let page = u64::from(jump::AP_PAGE);
    let words = (page + 8) as *mut u64; // tables, stack, function: see `ap_start`
    let stack = &raw const AP_STACK as u64 + STACK as u64 - 8;
    let entry = application_cpu as extern "C" fn() -> ! as u64;
    let command = |value: u32| {
        // SAFETY: the local APIC's interrupt command register, mapped by `own`.
        unsafe { ((LOCAL_APIC + 0x300) as *mut u32).write_volatile(value) };
        for _ in 0..20_000 {
            // SAFETY: reading port 0x80 only takes time.
            unsafe { asm!("in al, 0x80", out("al") _, options(nomem, nostack)) };
        }
    };
    // SAFETY: unused conventional memory: tests have no segment there, and
    // QEMU's boot information has been read.
    unsafe {
        (page as *mut u8).copy_from_nonoverlapping(start as *const u8, (end - start) as usize);
        words.write_unaligned(own);
        words.add(1).write_unaligned(stack);
        words.add(2).write_unaligned(entry);
        ((LOCAL_APIC + 0x310) as *mut u32).write_volatile(1 << 24);
    }
    command(0x4500); // INIT
    command(0x4600 | jump::AP_PAGE >> 12); // start-up at the page
    rt::halt()
}
