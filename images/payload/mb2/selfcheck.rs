//! The payload's checks of its own image: its load address, its contents, and
//! the relocation of its absolute pointers.

// UNSAFETY: reads its own image through linker symbols.
#![expect(unsafe_code)]

use crate::json::{Json, Sink};
use crate::sha256::Sha256;
use core::arch::asm;

/// Number of absolute pointers.
const POINTERS: usize = 32;

/// Target of a pointer.
#[repr(C)]
struct Target(u64);

/// Read-only targets.
static TARGETS: [Target; POINTERS] = {
    let mut targets = [const { Target(0) }; POINTERS];
    let mut i = 0;
    while i < POINTERS {
        targets[i] = Target(0x7461_7267_6574_0000 + i as u64);
        i += 1;
    }
    targets
};

/// The only absolute addresses in the image: entry `i` points to target
/// `i * 5 % 32`. The linker script puts them into `.pointers`, and the build
/// script refuses any relocation elsewhere.
#[unsafe(link_section = ".pointers")]
static TABLE: [&Target; POINTERS] = {
    let mut table = [&TARGETS[0]; POINTERS];
    let mut i = 0;
    while i < POINTERS {
        table[i] = &TARGETS[i * 5 % POINTERS];
        i += 1;
    }
    table
};

/// Initialized writable bytes, so that the digest covers such a section.
#[used]
#[unsafe(link_section = ".data.pattern")]
static PATTERN: [u8; 4099] = {
    let mut pattern = [0; 4099];
    let mut i = 0;
    while i < pattern.len() {
        pattern[i] = (i * 7 % 251) as u8;
        i += 1;
    }
    pattern
};

/// Values filled in by the build script, in section `.stamp`.
#[repr(C)]
struct Stamp {
    /// Address of the first byte as linked.
    link_base: u64,
    /// Physical link address (`p_paddr` of the program headers).
    link_base_physical: u64,
    /// SHA-256 of all loaded bytes before `.pointers`, without the gap between
    /// the two parts.
    sha256: [u8; 32],
    /// Name of the variant, zero-padded.
    name: [u8; 16],
}

#[unsafe(link_section = ".stamp")]
static STAMP: Stamp = Stamp {
    link_base: 0,
    link_base_physical: 0,
    sha256: [0; 32],
    name: [0; 16],
};

/// Run-time address of a linker symbol.
macro_rules! address_of {
    ($symbol:literal) => {{
        let address: usize;
        // SAFETY: LEA computes an address; it touches no memory.
        unsafe {
            asm!(
                concat!("lea {}, [rip + ", $symbol, "]"),
                out(reg) address,
                options(nomem, nostack, preserves_flags, pure)
            );
        }
        address
    }};
}

/// Writes the members `variant`, `load_base`, `link_base*` and `image`.
pub fn write<S: Sink>(json: &mut Json<'_, S>) {
    // SAFETY: STAMP is initialized; volatile because the build script changes
    // the bytes after the compiler has seen them.
    let stamp = unsafe { (&raw const STAMP).read_volatile() };
    let load_base = address_of!("__image_start") as u64;
    let name = stamp.name.split(|&byte| byte == 0).next().unwrap_or(&[]);
    json.string("variant", name);
    json.number("load_base", load_base);
    json.number("link_base", stamp.link_base);
    json.number("link_base_physical", stamp.link_base_physical);
    json.key("image");
    json.object();
    json.boolean("sha256_valid", digest() == stamp.sha256);
    pointers(json, load_base, stamp.link_base);
    json.end_object();
}

fn digest() -> [u8; 32] {
    let mut sha = Sha256::new();
    for (start, end) in [
        (address_of!("__image_start"), address_of!("__text_end")),
        (address_of!("__data_start"), address_of!("__checked_end")),
    ] {
        // SAFETY: both ranges are loaded parts of this image that nothing
        // writes after loading.
        sha.update(unsafe { core::slice::from_raw_parts(start as *const u8, end - start) });
    }
    sha.finish()
}

/// Counts the pointers by their value: the run-time address of their
/// target (`relocated`), the link-time address (`linked`), or neither.
fn pointers<S: Sink>(json: &mut Json<'_, S>, load_base: u64, link_base: u64) {
    let (mut relocated, mut linked, mut wrong) = (0, 0, 0);
    let targets = (&raw const TARGETS) as u64;
    for i in 0..POINTERS {
        let slot = (&raw const TABLE).cast::<u64>().wrapping_add(i);
        // SAFETY: i is within the table. Read as an integer: in an image moved
        // without relocations it is not a valid pointer.
        let found = unsafe { slot.read_volatile() };
        let target = targets + (i * 5 % POINTERS * size_of::<Target>()) as u64;
        if found == target {
            relocated += 1;
        } else if found == target.wrapping_sub(load_base).wrapping_add(link_base) {
            linked += 1;
        } else {
            wrong += 1;
        }
    }
    json.key("pointers");
    json.object();
    json.number("relocated", relocated);
    json.number("linked", linked);
    json.number("wrong", wrong);
    json.end_object();
}
