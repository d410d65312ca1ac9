//! The first line: the kernel that entered the handoff, and the CPU.

use super::cpu;
use crate::abi::{EntryState, Params};
use crate::print::Print;

/// Xen's code selector (xen/arch/x86/include/asm/config.h, `__HYPERVISOR_CS`).
const XEN_CS: u16 = 0xe008;

/// True when Xen jumped here.
pub const fn from_xen(entry: &EntryState) -> bool {
    entry.sel[0] == XEN_CS
}

/// Prints the line. `bsp`: this is the boot processor.
pub fn banner(out: &mut impl Print, params: &Params, entry: &EntryState, bsp: bool) {
    let idt_limit = entry.idtr[0] & 0xffff;
    let who = match (entry.sel[0], entry.gdtr[0] & 0xffff, idt_limit) {
        (XEN_CS, ..) => "xen",
        (0x10, 0, 0) => "linux (before 6.16)",
        (0x10, 0x1f, 0xff) => "linux (6.16 or later)",
        _ => "an unknown kernel",
    };
    out.str("\n[handoff] mbtool ")
        .str(env!("CARGO_PKG_VERSION"))
        .str(" at ")
        .addr(params.base);
    out.str(", entered by ").str(who).str(" in long mode on ");
    out.str(if bsp {
        "the boot CPU"
    } else {
        "an application CPU"
    });
    out.str(", apic id ").dec(cpu::apic_id().into()).str(", ");
    for byte in cpu::vendor() {
        out.byte(if byte.is_ascii_graphic() { byte } else { b'?' });
    }
    out.str(" ").hex(cpu::signature().into(), 8).str("\n");
}
