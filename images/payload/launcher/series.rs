//! How far a series of plans is: the machine's reset after one of them leads to
//! the next, so that the count has to outlive a reset.

// UNSAFETY: port I/O.
#![expect(unsafe_code)]

use core::arch::asm;

/// Bytes of CMOS RAM that no PC has a use for; zero when QEMU starts, and
/// kept by a reset.
const COUNT: [u8; 2] = [0x7c, 0x7d];

/// How often this was called since QEMU started.
pub fn next() -> u16 {
    let count = u16::from_le_bytes(COUNT.map(read));
    let bytes = count.wrapping_add(1).to_le_bytes();
    for (at, byte) in COUNT.into_iter().zip(bytes) {
        write(at, byte);
    }
    count
}

fn read(at: u8) -> u8 {
    let value: u8;
    // SAFETY: the CMOS RAM's index and data ports have no effect on memory.
    unsafe {
        asm!("out 0x70, al", "in al, 0x71", inout("al") at => value, options(nomem, nostack));
    }
    value
}

fn write(at: u8, value: u8) {
    // SAFETY: as above.
    unsafe {
        asm!("out 0x70, al", "mov al, cl", "out 0x71, al", inout("al") at => _, in("cl") value,
             options(nomem, nostack));
    }
}
