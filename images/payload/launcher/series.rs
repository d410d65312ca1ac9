//! Progress of a series of plans: the machine's reset after one plan leads to
//! the next, so the count must survive a reset.

// UNSAFETY: port I/O.
#![expect(unsafe_code)]

use core::arch::asm;

/// Unused bytes of CMOS RAM; zero when QEMU starts, and preserved by a reset.
const COUNT: [u8; 2] = [0x7c, 0x7d];

/// Returns the number of calls since QEMU started.
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
