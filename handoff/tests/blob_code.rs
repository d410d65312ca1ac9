//! Runs the blob's machine code for SHA-256 on this CPU, since QEMU 7.2 does
//! not emulate the SHA extensions.

// UNSAFETY: calls into the blob's image by address.
#![expect(unsafe_code)]

use elf::ElfBytes;
use elf::endian::LittleEndian;
use handoff::blob;
use handoff::sha256::{Block, Sha256State, sha256};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect};
use sha2::{Digest, Sha256};
use std::arch::is_x86_feature_detected;
use std::ptr;
use std::sync::OnceLock;

type Compress = fn(&mut Sha256State, &[Block]);

/// Returns the address of the executable image.
fn image() -> usize {
    static ADDRESS: OnceLock<usize> = OnceLock::new();
    *ADDRESS.get_or_init(|| {
        let len = blob::IMAGE.len();
        // SAFETY: a new mapping, as long as the image, that is never unmapped;
        // writable until the image is in it, then executable.
        unsafe {
            let write = ProtFlags::READ | ProtFlags::WRITE;
            let at = mmap_anonymous(ptr::null_mut(), len, write, MapFlags::PRIVATE).unwrap();
            ptr::copy_nonoverlapping(blob::IMAGE.as_ptr(), at.cast(), len);
            mprotect(at, len, MprotectFlags::READ | MprotectFlags::EXEC).unwrap();
            at as usize
        }
    })
}

/// Returns the function whose mangled name contains `part`.
fn function(part: &str) -> Compress {
    let file = ElfBytes::<LittleEndian>::minimal_parse(blob::ELF).unwrap();
    let (symbols, names) = file.symbol_table().unwrap().unwrap();
    let mut found = symbols
        .iter()
        .filter(|symbol| names.get(symbol.st_name as usize).unwrap().contains(part));
    let symbol = found.next().expect(part);
    assert!(found.next().is_none(), "{part} names several symbols");
    let end = symbol.st_value + symbol.st_size;
    assert!(symbol.st_size > 0 && end <= blob::IMAGE.len() as u64);
    let at = (image() + symbol.st_value as usize) as *const ();
    // SAFETY: compiled by this compiler from a function of this type, and
    // depends only on its arguments and the constants in the image.
    unsafe { std::mem::transmute::<*const (), Compress>(at) }
}

fn agrees(compress: Compress) {
    let bytes: Vec<u8> = (0..5000u32).map(|n| (n * 7 + n / 9) as u8).collect();
    for len in (0..300).chain([1000, 4096, 5000]) {
        let bytes = &bytes[..len];
        let expected: [u8; 32] = Sha256::digest(bytes).into();
        assert_eq!(sha256(bytes, compress), expected, "{len} bytes");
    }
}

#[test]
fn portable() {
    agrees(function("6sha2568compress"));
}

#[test]
fn sha_ni() {
    if !(is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1")) {
        eprintln!("SKIPPED: this CPU has no SHA extensions");
        return;
    }
    agrees(function("6sha_ni8compress"));
}
