//! A Multiboot payload (2 or 1, by its header) that reports the state at its entry, as one line of JSON.
//!
//! Entry: 32-bit protected mode by the Multiboot2 specification (3.2, "i386
//! machine state"), at any multiple of 16 below 4 GiB. Output: `MBTOOL-PAYLOAD
//! {json}` and `MBTOOL-PAYLOAD END` on COM1 and on QEMU's debug console. End:
//! QEMU's `isa-debug-exit` with status 33, or HLT.
//!
//! No absolute addresses except the table in `selfcheck`, so that an image
//! moved without relocations still runs.
#![no_std]
#![no_main]

#[path = "../console.rs"]
mod console;
#[path = "../entry.rs"]
mod entry;
mod firmware;
#[path = "../json.rs"]
mod json;
mod mb1;
mod mbi;
mod memory;
mod report;
#[path = "../rt.rs"]
mod rt;
mod selfcheck;
#[path = "../sha256.rs"]
mod sha256;

use console::Console;
use entry::State;
use json::Sink;

/// Prefix of both lines.
const MARKER: &str = "MBTOOL-PAYLOAD ";
/// Exit status 33 with `isa-debug-exit`.
const EXIT_CODE: u8 = 0x10;

/// Called by `entry.S` in long mode.
// UNSAFETY: the symbol name is the contract with entry.S.
#[expect(unsafe_code)]
#[unsafe(no_mangle)]
extern "C" fn payload_main(state: &State) -> ! {
    let mut console = Console::new();
    console.text("\r\n");
    console.text(MARKER);
    report::write(&mut console, state);
    console.text("\r\n");
    console.text(MARKER);
    console.text("END\r\n");
    console::exit_qemu(EXIT_CODE);
    rt::halt()
}
