//! Rules that depend on the instruction and the registers.

use super::causes::{RiscvAccess, access};
use super::csr::{PHYSICAL_BITS, root};
use super::explain::RiscvRuleInput;
use crate::decode::rules::{Answer, answer};
use handoff::arch::riscv64::registers::SSTATUS_FS;

/// `csrrw x0, cycle, x0`: what assemblers make of `unimp`.
const UNIMP: u64 = 0xc000_1073;
/// Major opcodes: the low seven bits.
const SYSTEM: u64 = 0x73;
const OP_V: u64 = 0x57;
/// `sstatus.VS`.
const SSTATUS_VS: u64 = 3 << 9;

const fn verb(access: RiscvAccess) -> &'static str {
    match access {
        RiscvAccess::Fetch => "a jump to",
        RiscvAccess::Load => "a read of",
        RiscvAccess::Store => "a write to",
    }
}

/// Verb and address of the access.
fn accessed(input: &RiscvRuleInput<'_>) -> Option<(RiscvAccess, u64)> {
    Some((access(input.dump.scause?)?, input.dump.stval?))
}

pub(super) fn misaligned_fetch(input: &RiscvRuleInput<'_>) -> Answer {
    answer(
        format!(
            "a jump to {}: an odd address, or no multiple of 4 on a CPU without compressed instructions",
            input.name(input.dump.stval?)
        ),
        "a wild jump, or an overwritten return address: see ra and the stack",
    )
}

/// True for an address that cannot be a physical one.
const fn is_virtual(addr: u64) -> bool {
    addr >> PHYSICAL_BITS != 0
}

pub(super) fn virtual_address(input: &RiscvRuleInput<'_>) -> Answer {
    let (access, addr) = accessed(input)?;
    let off = match input.dump.satp {
        Some(satp) => root(satp).is_none(),
        None => input.dump.mode == Some(0),
    };
    if !off || !is_virtual(addr) {
        return None;
    }
    answer(
        format!(
            "{} {addr:#x}, a virtual address, while translation is off",
            verb(access)
        ),
        "code or a pointer of the old kernel is used after its page tables; Linux's own kexec relies on this fault to \
         reach stvec, which needs firmware that delegates it",
    )
}

pub(super) fn access_fault(input: &RiscvRuleInput<'_>) -> Answer {
    let (access, addr) = accessed(input)?;
    answer(
        format!(
            "{} {}: no RAM or device answers there, or the firmware protects it (PMP)",
            verb(access),
            input.name(addr)
        ),
        "compare it with /memory and /reserved-memory of the device tree (`mbtool dtb`), and with the regions that the \
         firmware prints when it starts; System RAM in /proc/iomem can contain the firmware's own memory",
    )
}

pub(super) fn misaligned(input: &RiscvRuleInput<'_>) -> Answer {
    let (access, addr) = accessed(input)?;
    answer(
        format!(
            "{} {}, which is not aligned to its size; this CPU does not do that, and no firmware emulates it",
            verb(access),
            input.name(addr)
        ),
        "a wild pointer, or code built for a CPU with misaligned accesses: build early code with -mstrict-align",
    )
}

pub(super) fn null_pointer(input: &RiscvRuleInput<'_>) -> Answer {
    let (access, addr) = accessed(input)?;
    if addr >= 0x1000 {
        return None;
    }
    answer(
        format!(
            "{} {addr:#x}: a null pointer, with the offset of a field",
            verb(access)
        ),
        "see which register is zero at sepc",
    )
}

pub(super) fn page_fault(input: &RiscvRuleInput<'_>) -> Answer {
    let (access, addr) = accessed(input)?;
    let needs = match access {
        RiscvAccess::Fetch => "not executable",
        RiscvAccess::Load => "not readable",
        RiscvAccess::Store => "not writable",
    };
    let tables = input
        .dump
        .satp
        .and_then(root)
        .map_or_else(String::new, |root| {
            format!(" (root table at {})", input.name(root))
        });
    answer(
        format!(
            "{} {}, which the page tables{tables} do not map, or map as {needs}",
            verb(access),
            input.name(addr)
        ),
        "a wild pointer or jump, a write into code or constants, or memory that these tables leave out; a page without the \
         bits A or D faults too, on a CPU that does not set them itself",
    )
}

pub(super) fn guest_page_fault(input: &RiscvRuleInput<'_>) -> Answer {
    let (access, addr) = accessed(input)?;
    let physical = input.guest_physical().map_or_else(String::new, |physical| {
        format!(" (guest physical address {physical:#x})")
    });
    answer(
        format!(
            "{} {addr:#x}{physical}, for which the hypervisor has no memory and no device: the second translation, from \
             guest physical to host physical addresses, failed",
            verb(access)
        ),
        "this fault never goes to the guest's stvec: compare the address with the guest's memory as its monitor has set it \
         up",
    )
}

pub(super) fn unimp(input: &RiscvRuleInput<'_>) -> Answer {
    if !input.stops_itself() {
        return None;
    }
    answer(
        "the program stopped itself (unimp): an assertion, or a path that must not be reached",
        "look at the condition before this place in its source; memory of zeroes is this instruction as well",
    )
}

impl RiscvRuleInput<'_> {
    /// The instruction's bits: from memory, or from `stval`, where an illegal instruction may put them.
    pub(super) fn raw(&self) -> Option<u64> {
        let own = self.instruction.map(|instruction| instruction.raw());
        let trapped = self
            .dump
            .stval
            .filter(|bits| *bits != 0 && self.dump.scause == Some(2));
        own.or(trapped)
    }

    /// True at `unimp`.
    pub(super) fn stops_itself(&self) -> bool {
        self.raw().is_some_and(|raw| raw == UNIMP || raw == 0)
    }

    /// The text of the instruction.
    fn text(&self) -> String {
        let decoded = self
            .raw()
            .map(|raw| disc_v::decode(disc_v::Isa::Rv64, 0, raw));
        decoded.map_or_else(String::new, |instruction| instruction.to_string())
    }
}

pub(super) fn unit_off(input: &RiscvRuleInput<'_>) -> Answer {
    let (raw, sstatus) = (input.raw()?, input.dump.sstatus?);
    let decoded = disc_v::decode(disc_v::Isa::Rv64, 0, raw);
    let name = decoded.mnemonic();
    let float = name.starts_with('f') && !name.starts_with("fence");
    let (unit, field) = match () {
        () if raw & 0x7f == OP_V && sstatus & SSTATUS_VS == 0 => ("a vector", "VS"),
        () if float && sstatus & SSTATUS_FS == 0 => ("a floating point", "FS"),
        () => return None,
    };
    answer(
        format!("{unit} instruction ({decoded}) while sstatus.{field} is off"),
        "build early code without it (-march=rv64imac), or switch the unit on first",
    )
}

pub(super) fn csr(input: &RiscvRuleInput<'_>) -> Answer {
    let raw = input.raw()?;
    if raw & 0x7f != SYSTEM || raw >> 12 & 3 == 0 {
        return None;
    }
    answer(
        format!(
            "CSR {:#x} does not exist on this CPU, or not for this privilege level: {}",
            raw >> 20 & 0xfff,
            input.text()
        ),
        "a register of machine mode, or one of an extension: see the device tree's riscv,isa-extensions, and what the \
         firmware lets through (mstateen, mcounteren)",
    )
}

pub(super) fn privileged(input: &RiscvRuleInput<'_>) -> Answer {
    let raw = input.raw()?;
    if raw & 0x7f != SYSTEM {
        return None;
    }
    answer(
        format!("{} is not allowed at this privilege level", input.text()),
        "code of machine mode runs in supervisor mode, or the level above traps it (mstatus.TVM, TW, TSR)",
    )
}

pub(super) fn illegal(input: &RiscvRuleInput<'_>) -> Answer {
    let known = input
        .raw()
        .map(|raw| disc_v::decode(disc_v::Isa::Rv64, 0, raw));
    let what = match known {
        None => "the CPU met an instruction that it does not have, or data; the dump does not show the bytes at sepc"
            .to_owned(),
        Some(instruction) if instruction.is_illegal() => {
            "the bytes at sepc are no instruction: the program runs through data".to_owned()
        }
        Some(instruction) => {
            format!("the bytes at sepc are an instruction that this CPU does not have: {instruction}")
        }
    };
    answer(
        what,
        "compare them with the file; if they differ, something overwrote the code (or fence.i is missing after it was \
         written), else find how execution got here",
    )
}
