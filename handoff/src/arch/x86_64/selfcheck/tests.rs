//! Checks a blob in the test's memory, with the code that the blob runs.

use super::*;
use crate::arch::x86_64::{descriptors, paging};
use crate::blob;
use crate::spec::{Drill, Exit, OnFault, Spec, Verify};
use proptest::prelude::*;

const PAGE: usize = 4096;

/// A loaded blob: `bytes[start..]`, page aligned.
struct Loaded {
    bytes: Vec<u8>,
    start: usize,
    area: usize,
}

impl Loaded {
    fn new() -> Self {
        let spec = Spec {
            base: 0x10_0000,
            consoles: vec![],
            on_fault: OnFault::Halt,
            verify: Verify::None,
            regions: vec![],
            relocate: Default::default(),
            guard: false,
            fixups: vec![],
            exit: Exit::Multiboot2 { entry: 0, mbi: 0 },
            drill: Drill::Off,
        };
        let built = blob::build(&spec).unwrap();
        let mut bytes = vec![0; built.memsz as usize + PAGE];
        let start = bytes.as_ptr().align_offset(PAGE);
        bytes[start..][..built.bytes.len()].copy_from_slice(&built.bytes);
        let area = blob::header().area as usize;
        // the effect of `ltr`
        bytes[start + area + TSS_TYPE] |= BUSY;
        Self { bytes, start, area }
    }

    fn check(&mut self) -> Sums {
        let header = self.bytes[self.start..].as_mut_ptr();
        // SAFETY: a whole blob, page aligned, with no other user.
        unsafe { check(header.cast(), header.add(self.area).cast()) }
    }

    fn covered(&self) -> usize {
        self.area + offset_of!(Area, scratch)
    }
}

#[test]
fn a_built_blob_passes_repeatedly() {
    let mut blob = Loaded::new();
    let Sums { expected, found } = blob.check();
    assert_eq!(expected, found);
    assert_eq!(blob.check(), Sums { expected, found });
}

#[test]
fn only_scratch_may_change() {
    let mut blob = Loaded::new();
    let (start, end) = (blob.start, blob.start + blob.covered());
    blob.bytes[end] ^= 0xff;
    let Sums { expected, found } = blob.check();
    assert_eq!(expected, found);
    let checksum = start + blob.area + offset_of!(Area, params.checksum);
    for at in [start, checksum, start + blob.area + TSS_TYPE, end - 1] {
        blob.bytes[at] ^= 1;
        let Sums { expected, found } = blob.check();
        assert_ne!(expected, found, "offset {:#x}", at - start);
        blob.bytes[at] ^= 1;
    }
    let Sums { expected, found } = blob.check();
    assert_eq!(expected, found);
}

#[test]
fn the_checksum_can_be_renewed_after_a_change_of_the_tables() {
    let mut blob = Loaded::new();
    let at = blob.start + blob.area + offset_of!(Area, tables.pool);
    blob.bytes[at + 7] ^= 0x80;
    let before = blob.check();
    assert_ne!(before.expected, before.found);
    let header = blob.bytes[blob.start..].as_mut_ptr();
    // SAFETY: as in `check`, which ran.
    unsafe { renew(header.cast(), header.add(blob.area).cast()) };
    let Sums { expected, found } = blob.check();
    assert_eq!((expected, found), (before.found, before.found));
}

#[test]
fn the_cpu_finds_no_accessed_or_dirty_bit_to_set() {
    const ACCESSED: u64 = 1 << 40;
    for descriptor in [descriptors::CODE32, descriptors::CODE64, descriptors::DATA] {
        assert_eq!(descriptor & ACCESSED, ACCESSED, "{descriptor:#x}");
    }
    let blob = Loaded::new();
    let pool = blob.start + blob.area + offset_of!(Area, tables.pool);
    let pool = &blob.bytes[pool..][..size_of::<abi::Pool>()];
    let mut present = 0;
    for entry in pool.as_chunks().0 {
        let entry = u64::from_le_bytes(*entry);
        if entry & paging::P != 0 {
            present += 1;
            assert_ne!(entry & paging::A, 0, "{entry:#x}");
            let data_leaf = entry & paging::NX != 0;
            assert!(!data_leaf || entry & paging::D != 0, "{entry:#x}");
        }
    }
    assert!(present > 2048, "4 GiB in pages of 2 MiB: {present}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn any_flipped_bit_is_found(at in any::<prop::sample::Index>(), bit in 0..8) {
        let mut blob = Loaded::new();
        let at = blob.start + at.index(blob.covered());
        blob.bytes[at] ^= 1u8 << bit;
        let Sums { expected, found } = blob.check();
        prop_assert_ne!(expected, found);
    }
}
