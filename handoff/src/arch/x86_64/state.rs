//! Prints the state at entry, in two lines.

use crate::abi::EntryState;
use crate::names::nth;
use crate::print::Print;

const CONTROL: &str = "cr0|cr3|cr4|efer|rflags|rsp|cs|ds|es|fs|gs|ss|tr|ldt";
const TABLES: &str = "gdt|limit|idt|limit";
const GENERAL: &str = "rax|rcx|rdx|rbx|rsp|rbp|rsi|rdi|r8|r9|r10|r11|r12|r13|r14|r15";
/// Index of rsp in [`GENERAL`], and in the hardware's numbering.
const RSP: usize = 4;

/// Prints control registers, selectors, tables, and the general registers that are
/// not zero.
pub fn print(out: &mut impl Print, entry: &EntryState) {
    let [cs, ds, es, fs, gs, ss, tr, ldt] = entry.sel.map(u64::from);
    let [cr0, _, cr3, cr4] = entry.cr;
    let (efer, rflags, rsp) = (entry.efer, entry.rflags, entry.gpr[RSP]);
    let control = [
        cr0, cr3, cr4, efer, rflags, rsp, cs, ds, es, fs, gs, ss, tr, ldt,
    ];
    let base = |table: [u64; 2]| table[0] >> 16 | table[1] << 48;
    let limit = |table: [u64; 2]| table[0] & 0xffff;
    let (gdt, idt) = (entry.gdtr, entry.idtr);
    let tables = [base(gdt), limit(gdt), base(idt), limit(idt)];
    out.str("[handoff] entry");
    row(out, CONTROL, &control, true);
    out.str("\n[handoff] entry");
    row(out, TABLES, &tables, true);
    let mut general = entry.gpr;
    general[RSP] = 0; // printed above
    row(out, GENERAL, &general, false);
    out.str("\n");
}

#[inline(never)]
fn row(out: &mut impl Print, names: &'static str, values: &[u64], zeroes: bool) {
    for (n, &value) in values.iter().enumerate() {
        if zeroes || value != 0 {
            let name = nth(names, n as u32).unwrap_or(b"?");
            out.str(" ").bytes(name).str(" ").addr(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_at_entry_from_linux_6_12() {
        let mut entry = EntryState {
            cr: [0x8000_0033, 0, 0x1000, 0x20],
            efer: 0xd01,
            rflags: 0x46,
            sel: [0x10, 0x18, 0x18, 0x18, 0x18, 0x18, 0x40, 0],
            gdtr: [0x1234_5678_9abc_001f, 0xffff],
            ..EntryState::default()
        };
        entry.gpr[4] = 0x2ff8;
        entry.gpr[15] = 7;
        let mut out = String::new();
        print(&mut out, &entry);
        assert_eq!(
            out,
            "[handoff] entry cr0 0x80000033 cr3 0x1000 cr4 0x20 efer 0xd01 rflags 0x46 rsp 0x2ff8 \
             cs 0x10 ds 0x18 es 0x18 fs 0x18 gs 0x18 ss 0x18 tr 0x40 ldt 0x0\n\
             [handoff] entry gdt 0xffff123456789abc limit 0x1f idt 0x0 limit 0x0 r15 0x7\n"
        );
    }
}
