//! An arm64 `Image` that prints the level at which it is started, and what calls of the hyp-stub
//! answer there; then it resets the machine. Loaded by kexec, or started bare. Printed on the PL011 of
//! its device tree; without one it is silent.
//!
//! Built by build.rs with plain `rustc`, as the handoff.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use handoff::arch::arm64::{psci, registers};
use handoff::hyp::answer::HypReply;
use handoff::hyp::live::{self, HypRestartFailure};
use handoff::hyp::show;
use handoff::pl011::{self, Pl011At};
use handoff::print::Print;
use handoff::tree;

global_asm!(
    include_str!("entry.S"),
    CPACR_FPEN = const registers::CPACR_FPEN,
    CPTR_NO_FP_TRAP = const registers::CPTR_NO_FP_TRAP,
    CURRENT_EL2 = const registers::CURRENT_EL2,
    E2H_BIT = const registers::HCR_E2H.trailing_zeros(),
    HCR_RW = const registers::HCR_RW,
    start = sym start,
    below = sym below,
    landed = sym landed,
    exception = sym exception,
);

unsafe extern "C" {
    fn probe_drop() -> !;
}

/// Registers of the UART; 0 without one.
static UART: AtomicU64 = AtomicU64::new(0);
/// How firmware is called.
static CONDUIT: AtomicU32 = AtomicU32::new(0);
/// Values that the target of the restart is to find.
const PASSED: [usize; 3] = [0x11, 0x22, 0x33];

/// The console.
struct Out;

impl Print for Out {
    fn byte(&mut self, byte: u8) {
        let at = UART.load(Ordering::Relaxed);
        if at == 0 {
            return;
        }
        let mut uart = Pl011At(at);
        if byte == b'\n' {
            pl011::send(&mut uart, Some(b'\r'));
        }
        if !pl011::send(&mut uart, Some(byte)) {
            // dead: one wait is enough
            UART.store(0, Ordering::Relaxed);
        }
    }
}

macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: reads a register that every level from EL1 on has.
        unsafe { asm!(concat!("mrs {}, ", $register), out(reg) value, options(nomem, nostack)) };
        value
    }};
}

fn line(name: &str, value: u64) {
    Out.str("[probe] ").str(name).str(" ").addr(value).str("\n");
}

/// Returns bytes that a tree starts with.
///
/// # Safety
///
/// They must be readable.
unsafe fn bytes(at: u64, length: usize) -> &'static [u8] {
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(at as *const u8, length) }
}

extern "C" fn start(_: u64, daif: u64, level: u64, sctlr: u64, hcr: u64, dtb: u64) -> ! {
    if dtb != 0 && dtb.is_multiple_of(8) {
        // SAFETY: the boot protocol has a tree there.
        let size = tree::size(unsafe { bytes(dtb, 40) });
        // SAFETY: as above, by its header.
        let facts = size.map(|size| tree::find(unsafe { bytes(dtb, size) }));
        if let Some(facts) = facts {
            UART.store(facts.pl011.unwrap_or(0), Ordering::Relaxed);
            CONDUIT.store(facts.psci, Ordering::Relaxed);
        }
    }
    Out.str("\n[probe] mbtool ").str(env!("CARGO_PKG_VERSION"));
    Out.str(", started at EL").dec(level >> 2).str("\n");
    line("sctlr", sctlr);
    line("daif", daif);
    let hyp = level == registers::CURRENT_EL2;
    if hyp {
        line("hcr_el2", hcr);
        let vhe = hcr & registers::HCR_E2H != 0;
        Out.str("[probe] E2H ").dec(vhe.into()).str("\n");
    }
    line("midr", read!("midr_el1"));
    line("id_aa64pfr0", read!("id_aa64pfr0_el1"));
    line("id_aa64mmfr0", read!("id_aa64mmfr0_el1"));
    line("id_aa64mmfr1", read!("id_aa64mmfr1_el1"));
    line("device tree", dtb);
    if !hyp {
        below();
    }
    // calls from EL2 go to this image itself
    Out.str("[probe] EL1, with a stub of this image at EL2\n");
    // SAFETY: nothing at EL2 is needed any more.
    unsafe { probe_drop() }
}

/// At EL1.
extern "C" fn below() -> ! {
    // SAFETY: at EL1; this code is at its physical address.
    let found = unsafe { live::probe(0) };
    reply("call 0x7", &found.small);
    reply("call 0x7fff", &found.large);
    if let Some(zero) = &found.zero {
        reply("call 0x0", zero);
    }
    Out.str("[probe] occupant ");
    show::verdict(&mut Out, found.verdict);
    Out.str("\n");
    let target: usize;
    // SAFETY: computes an address.
    unsafe {
        asm!("adrp {0}, probe_landed", "add {0}, {0}, :lo12:probe_landed", out(reg) target,
             options(nomem, nostack));
    }
    // SAFETY: as above; the target was loaded with this code.
    let failed = unsafe { live::soft_restart(target, PASSED, 0) };
    Out.str("[probe] restart: ");
    match failed {
        HypRestartFailure::Returned(answer) => show::answer(&mut Out, answer),
        HypRestartFailure::Translated => {
            Out.str("translated");
        }
    }
    Out.str("\n");
    end()
}

extern "C" fn landed(x0: u64, x1: u64, x2: u64, daif: u64, level: u64, sctlr: u64) -> ! {
    Out.str("[probe] restart: arrived at EL")
        .dec(level >> 2)
        .str("\n");
    line("sctlr", sctlr);
    line("daif", daif);
    let passed = [x0, x1, x2] == PASSED.map(|value| value as u64);
    Out.str("[probe] registers ")
        .str(if passed { "passed" } else { "lost" })
        .str("\n");
    end()
}

fn reply(name: &str, reply: &HypReply) {
    Out.str("[probe] ").str(name).str(": ");
    show::reply(&mut Out, reply);
    Out.str("\n");
}

extern "C" fn exception(vector: u64, level: u64, esr: u64, elr: u64, far: u64) -> ! {
    Out.str("[probe] EXCEPTION vector ").addr(vector);
    Out.str(" at EL").dec(level >> 2).str(" esr ").addr(esr);
    Out.str(" elr ").addr(elr).str(" far ").addr(far).str("\n");
    end()
}

/// Resets the machine, or waits forever.
fn end() -> ! {
    Out.str("[probe] done\n");
    let at = UART.load(Ordering::Relaxed);
    if at != 0 {
        pl011::send(&mut Pl011At(at), None);
    }
    let hyp = read!("CurrentEL") == registers::CURRENT_EL2;
    psci::reset(CONDUIT.load(Ordering::Relaxed), hyp);
    loop {
        // SAFETY: stalls this CPU.
        unsafe { asm!("wfi", options(nomem, nostack)) };
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    Out.str("[probe] PANIC\n");
    end()
}
