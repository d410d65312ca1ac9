//! The crate `acpi` walks the trees that [`build`] makes.

// UNSAFETY: the crate reads memory by address.
#![expect(unsafe_code)]

use super::build;
use super::tests::machine;
use acpi::madt::{Madt, MadtEntry};
use acpi::{AcpiHandler, AcpiTables, PhysicalMapping};
use std::ptr::NonNull;

/// Memory with tables at the addresses in their root tables.
#[derive(Clone, Debug)]
struct Memory {
    start: usize,
    end: usize,
}

impl AcpiHandler for Memory {
    unsafe fn map_physical_region<T>(&self, at: usize, size: usize) -> PhysicalMapping<Self, T> {
        assert!(
            self.start <= at && at + size <= self.end,
            "{size:#x} bytes at {at:#x}"
        );
        let pointer = NonNull::new(std::ptr::with_exposed_provenance_mut(at)).unwrap();
        // SAFETY: inside of the memory, as just checked, which the test keeps.
        unsafe { PhysicalMapping::new(at, pointer, size, size, self.clone()) }
    }

    fn unmap_physical_region<T>(_: &PhysicalMapping<Self, T>) {}
}

/// Returns the signatures of all tables below `rsdp`, in order, and the APIC ids of
/// usable processors.
fn walk(memory: &Memory, rsdp: u64) -> (Vec<String>, Vec<u32>) {
    // SAFETY: the handler lets the crate read the tree's memory, and no other.
    let tables = unsafe { AcpiTables::from_rsdp(memory.clone(), rsdp as usize) }.unwrap();
    assert_eq!(tables.revision(), 2);
    let signatures = tables.headers().map(|header| header.signature.to_string());
    let signatures = signatures.collect();
    let madt = tables.find_table::<Madt>().unwrap();
    let enabled = madt.get().entries().filter_map(|entry| match entry {
        MadtEntry::LocalApic(apic) => (apic.flags & 1 == 1).then_some(apic.apic_id.into()),
        MadtEntry::LocalX2Apic(apic) => (apic.flags & 1 == 1).then_some(apic.x2apic_id),
        _ => None,
    });
    (signatures, enabled.collect())
}

#[test]
fn both_trees_are_whole_and_one_lacks_the_boot_processor() {
    let tables = machine();
    let len = super::len(&tables).unwrap() as usize;
    let mut words = vec![0_u128; len.div_ceil(16)]; // aligned as the tables ask
    let start = words.as_mut_ptr().expose_provenance();
    let built = build(&tables, start as u64, 0).unwrap();
    let (chunks, rest) = built.bytes.as_chunks();
    assert!(rest.is_empty());
    for (word, bytes) in words.iter_mut().zip(chunks) {
        *word = u128::from_ne_bytes(*bytes);
    }
    let end = start + len;
    let memory = Memory { start, end };
    let signatures = ["APIC", "FACP", "SSDT", "SSDT"].map(String::from).to_vec();
    let all = (signatures.clone(), vec![0, 2, 0x1_0000]);
    assert_eq!(walk(&memory, built.all), all);
    assert_eq!(walk(&memory, built.others), (signatures, vec![2, 0x1_0000]));
}
