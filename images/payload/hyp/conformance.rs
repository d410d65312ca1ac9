//! What the payloads of both architectures do: put an occupant into hypervisor mode, drop below it,
//! make the calls that the configuration asks for, and report on the UART.

use core::hint::black_box;
use core::panic::PanicInfo;

use handoff::hyp::answer::{HypAnswer, HypReply};
use handoff::hyp::live::{self, HypLevel, HypRestartFailure};
use handoff::hyp::show;
use handoff::print::Print;

use super::machine;

/// Where the configuration is loaded.
const CONFIGURATION: *const Configuration = 0x4800_0000 as *const _;
/// PL011 of QEMU's virt machine.
const UART: *mut u32 = 0x900_0000 as *mut u32;
/// No occupant: the payload stays at its level.
pub const STAY: u64 = u64::MAX;
/// The same, with VHE.
const STAY_VHE: u64 = u64::MAX - 1;
/// Calls are undefined.
const DISABLED: u64 = 1;
/// Translation is on below hypervisor mode, and in it.
const TRANSLATED: u64 = 2;
const HYP_TRANSLATED: u64 = 4;

/// What to do; written by the test.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Configuration {
    /// Number of an occupant, or `STAY`.
    pub occupant: u64,
    flags: u64,
    /// 0 probe, 1 restart, 2 a call and its reply, 3 a probe and a restart.
    action: u64,
    /// Of a call: registers 0 and 1.
    call: [u64; 2],
}

impl Configuration {
    /// Returns true if calls are undefined on this machine.
    pub const fn disabled(&self) -> bool {
        self.flags & DISABLED != 0
    }
}

/// The state that the target of a restart finds.
pub struct Arrival {
    pub registers: [u64; 3],
    pub level: u64,
    /// Control register of that level.
    pub sctlr: u64,
    pub masks: u64,
    pub vhe: bool,
}

pub struct Uart;

impl Print for Uart {
    fn byte(&mut self, byte: u8) {
        // SAFETY: QEMU's UART accepts a byte at any time.
        unsafe { UART.write_volatile(byte.into()) };
    }
}

pub fn configuration() -> Configuration {
    // SAFETY: the test loads it.
    unsafe { CONFIGURATION.read_volatile() }
}

pub fn hyp() -> bool {
    live::level() == HypLevel::Hyp
}

pub extern "C" fn start() -> ! {
    let c = configuration();
    Uart.str("START level ").addr(machine::level()).str("\n");
    if c.flags & HYP_TRANSLATED != 0 {
        machine::translate();
    }
    match c.occupant {
        STAY => kernel(),
        STAY_VHE => {
            machine::vhe();
            kernel()
        }
        kind => machine::occupy(kind, c.disabled()),
    }
}

pub extern "C" fn kernel() -> ! {
    let c = configuration();
    if c.flags & TRANSLATED != 0 {
        machine::translate();
    }
    Uart.str("CALLER level ").addr(machine::level()).str("\n");
    // callee-saved registers and the stack must be as before
    let marks = black_box([0x11_usize, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77]);
    let vectors = machine::vectors();
    match c.action {
        0 | 3 => {
            // SAFETY: below hypervisor mode; one to one.
            let found = unsafe { live::probe(0) };
            show("small", &found.small);
            show("large", &found.large);
            if let Some(zero) = &found.zero {
                show("zero", zero);
            }
            Uart.str("VERDICT ");
            show::verdict(&mut Uart, found.verdict);
            Uart.str("\n");
        }
        2 => {
            // SAFETY: what the test asks for.
            let reply = unsafe { live::call([c.call[0] as usize, c.call[1] as usize, 0, 0, 0]) };
            show("call", &reply);
            Uart.str("ANSWER ");
            show::answer(&mut Uart, HypAnswer::of(live::ARCH, c.call[0], &reply));
            Uart.str("\n");
        }
        _ => {}
    }
    if c.action & 1 != 0 {
        // SAFETY: the target's code is in memory as loaded.
        let failed = unsafe { live::soft_restart(machine::target(), [0xaa00, 0xbb11, 0xcc22], 0) };
        Uart.str("FAILED ");
        match failed {
            HypRestartFailure::Returned(answer) => show::answer(&mut Uart, answer),
            HypRestartFailure::Translated => {
                Uart.str("translated");
            }
        }
        Uart.str("\n");
    }
    let kept = black_box(marks) == [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77];
    Uart.str("AFTER level ").addr(machine::level());
    Uart.str(" kept ").dec(kept.into());
    Uart.str(" vectors ")
        .dec((machine::vectors() == vectors).into());
    Uart.str(" masks ").addr(machine::masks()).str("\n");
    machine::off()
}

fn show(name: &str, reply: &HypReply) {
    Uart.str("REPLY ").str(name).str(" ");
    show::reply(&mut Uart, reply);
    Uart.str("\n");
}

pub fn arrived(arrival: &Arrival) -> ! {
    let [r0, r1, r2] = arrival.registers;
    Uart.str("TARGET level ").addr(arrival.level);
    Uart.str(" mmu ").dec(arrival.sctlr & 1);
    // data and instruction cache
    Uart.str(" caches ")
        .dec(arrival.sctlr >> 2 & 1 | arrival.sctlr >> 11 & 2);
    Uart.str(" masks ").addr(arrival.masks);
    Uart.str(" r0 ")
        .addr(r0)
        .str(" r1 ")
        .addr(r1)
        .str(" r2 ")
        .addr(r2);
    Uart.str(" vhe ").dec(arrival.vhe.into()).str("\n");
    machine::off()
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    Uart.str("PANIC\n");
    machine::off()
}
