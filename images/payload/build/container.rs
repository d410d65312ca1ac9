//! Containers that the linker does not make: a flat image, and ELF32 around
//! one.

use crate::elf::Elf;

/// Loaded bytes from the first to the last, gaps filled with zeroes.
pub struct Flat {
    /// Physical address of the first byte.
    pub base: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Bytes of memory, `.bss` included.
    pub memsz: u64,
    /// Physical address of the entry.
    pub entry: u64,
}

/// Extracts the loaded parts of `elf`.
pub fn flatten(elf: &Elf) -> Flat {
    let loads = elf.loads();
    let base = loads[0].paddr;
    let mut bytes = Vec::new();
    let mut memsz = 0;
    for load in &loads {
        let start = load.paddr - base;
        assert!(
            start >= bytes.len() as u64,
            "parts out of order: {loads:x?}"
        );
        bytes.resize(start as usize, 0);
        bytes.extend(elf.slice(load.offset, load.filesz));
        memsz = start + load.memsz;
    }
    Flat {
        base,
        bytes,
        memsz,
        entry: elf.entry() - loads[0].vaddr + base,
    }
}

/// Wraps `flat` as an ELF32 executable for EM_386 in `parts` program headers.
/// The parts begin at odd addresses, so neighbors share pages, and file offsets
/// are unrelated to addresses; all of it is valid.
pub fn elf32(flat: &Flat, parts: usize) -> Vec<u8> {
    const EHDR: usize = 52;
    const PHDR: usize = 32;
    let start = (EHDR + parts * PHDR).next_multiple_of(8);
    let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1];
    file.resize(16, 0);
    put16(&mut file, &[2, 3]); // ET_EXEC, EM_386
    put32(&mut file, &[1, flat.entry as u32, EHDR as u32, 0, 0]);
    put16(
        &mut file,
        &[EHDR as u16, PHDR as u16, parts as u16, 40, 0, 0],
    );
    // an inner cut is odd
    let cut = |i: usize| match i * flat.bytes.len() / parts {
        at if i == 0 || i == parts => at,
        at => at | 1,
    };
    for i in 0..parts {
        let (from, to) = (cut(i), cut(i + 1));
        let address = (flat.base + from as u64) as u32;
        let memsz = if i + 1 == parts {
            flat.memsz as usize
        } else {
            to
        } - from;
        let (offset, filesz) = ((start + from) as u32, (to - from) as u32);
        // PT_LOAD, offset, vaddr, paddr, filesz, memsz, RWX, no alignment
        put32(
            &mut file,
            &[1, offset, address, address, filesz, memsz as u32, 7, 1],
        );
    }
    file.resize(start, 0);
    file.extend(&flat.bytes);
    file
}

fn put16(file: &mut Vec<u8>, fields: &[u16]) {
    file.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
}

fn put32(file: &mut Vec<u8>, fields: &[u32]) {
    file.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
}
