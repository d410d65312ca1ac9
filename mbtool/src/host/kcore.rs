//! /proc/kcore's program headers: mapping of virtual to physical addresses in
//! the running kernel, including its randomization.
//!
//! Linux, fs/proc/kcore.c: `p_paddr` is set for RAM and for the kernel's own
//! mapping (since Linux 4.12), and all ones otherwise (vmalloc, modules).

use super::crash_notes::Text;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::parse::ParsingTable;
use elf::segment::ProgramHeader;
use handoff::addr::PhysRange;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

/// Start of the kernel and module mappings of x86-64 (Linux,
/// Documentation/arch/x86/x86_64/mm.rst), and of riscv64. On arm64 they are below it, and randomized over half of the
/// kernel's addresses; the size of these depends on the configuration.
const KERNEL: u64 = 0xffff_ffff_8000_0000;
/// `p_paddr` of mappings without a physical address, in a core of 64 and of 32 bits.
const NO_ADDRESS: [u64; 2] = [u64::MAX, 0xffff_ffff];
/// Bytes of a file header: of ELF64, and more than of ELF32.
const FILE_HEADER: usize = 64;

/// Mappings from the program headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kcore {
    /// The kernel's own mapping.
    pub text: Option<Text>,
    /// Virtual address of physical address 0 in the direct map.
    pub direct_map: Option<u64>,
}

/// Reads the headers of an open /proc/kcore.
///
/// # Errors
///
/// The error of the read, or `InvalidData` for anything except an ELF core.
pub fn read(file: &mut (impl Read + Seek)) -> io::Result<Kcore> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut start = [0; FILE_HEADER];
    file.read_exact(&mut start)?;
    let ident = parse_ident::<LittleEndian>(&start).map_err(|_| bad("is no ELF file"))?;
    let header = FileHeader::parse_tail(ident, &start[abi::EI_NIDENT..])
        .map_err(|_| bad("has a broken ELF header"))?;
    let entry: u16 = match header.class {
        Class::ELF64 => 56,
        Class::ELF32 => 32,
    };
    if header.e_type != abi::ET_CORE
        || header.e_phentsize != entry
        || header.e_phnum == abi::PN_XNUM
    {
        return Err(bad("is no ELF core"));
    }
    file.seek(SeekFrom::Start(header.e_phoff))?;
    let mut table = vec![0; usize::from(header.e_phnum) * usize::from(entry)];
    file.read_exact(&mut table)?;
    Ok(of(ParsingTable::<_, ProgramHeader>::new(
        header.endianness,
        header.class,
        &table,
    )
    .iter()))
}

/// Selects the two mappings.
fn of(headers: impl Iterator<Item = ProgramHeader>) -> Kcore {
    let mut text = None;
    // direct map offset -> bytes with that offset: other things may be mapped
    // too
    let mut offsets: BTreeMap<u64, u64> = BTreeMap::new();
    // all are 0 before Linux 4.12, and unusable
    let with_address = |header: &ProgramHeader| {
        header.p_type == abi::PT_LOAD
            && !NO_ADDRESS.contains(&header.p_paddr)
            && header.p_paddr != 0
            && header.p_memsz != 0
    };
    let mut low = None;
    let headers: Vec<ProgramHeader> = headers.collect();
    let own = headers.iter().filter(|header| with_address(header));
    let own: Vec<&ProgramHeader> = own.collect();
    let text_at = own
        .iter()
        .rfind(|header| header.p_vaddr >= KERNEL)
        .or_else(|| own.iter().find(|header| is_mapped_twice(header, &own)))
        .map(|header| header.p_vaddr);
    for header in &headers {
        if header.p_type == abi::PT_LOAD && header.p_paddr == 0 && header.p_vaddr < KERNEL {
            low = Some(header.p_vaddr);
        }
        if !with_address(header) {
            continue;
        }
        if Some(header.p_vaddr) == text_at {
            text = Some(Text {
                virt: header.p_vaddr,
                phys: header.p_paddr,
                len: header.p_memsz,
            });
        } else if let Some(offset) = header.p_vaddr.checked_sub(header.p_paddr) {
            let bytes = offsets.entry(offset).or_default();
            *bytes = bytes.saturating_add(header.p_memsz);
        }
    }
    let most = offsets.iter().max_by_key(|(_, bytes)| **bytes);
    // RAM may be one range from 0; the address of the text distinguishes this
    // from an old kernel
    let direct_map = most
        .map(|(offset, _)| *offset)
        .or(low.filter(|_| text.is_some()));
    Kcore { text, direct_map }
}

/// True when a larger mapping has the same memory at another distance: the direct map has all RAM, so this is the kernel.
fn is_mapped_twice(header: &ProgramHeader, all: &[&ProgramHeader]) -> bool {
    let range = |header: &ProgramHeader| PhysRange::from_len(header.p_paddr, header.p_memsz);
    let offset = |header: &ProgramHeader| header.p_vaddr.wrapping_sub(header.p_paddr);
    let Some(own) = range(header) else {
        return false;
    };
    all.iter().any(|other| {
        let other_offset = offset(other) != offset(header);
        let larger = other.p_memsz > header.p_memsz;
        other_offset && larger && range(other).is_some_and(|other| other.covers(&own))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn load(p_vaddr: u64, p_paddr: u64, p_memsz: u64) -> ProgramHeader {
        ProgramHeader {
            p_type: abi::PT_LOAD,
            p_offset: 0,
            p_vaddr,
            p_paddr,
            p_filesz: p_memsz,
            p_memsz,
            p_flags: 7,
            p_align: 4096,
        }
    }

    /// A file as the kernel provides it: a note first.
    fn file(loads: &[ProgramHeader]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(16, 0);
        for half in [abi::ET_CORE, abi::EM_X86_64] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(1_u32.to_le_bytes());
        for word in [0_u64, 64, 0] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(0_u32.to_le_bytes());
        for half in [64, 56, loads.len() as u16 + 1, 0, 0, 0] {
            bytes.extend(u16::to_le_bytes(half));
        }
        let note = ProgramHeader {
            p_type: abi::PT_NOTE,
            ..load(0, 0, 0)
        };
        for header in std::iter::once(&note).chain(loads) {
            bytes.extend(header.p_type.to_le_bytes());
            bytes.extend(header.p_flags.to_le_bytes());
            for word in [
                header.p_offset,
                header.p_vaddr,
                header.p_paddr,
                header.p_filesz,
                header.p_memsz,
                header.p_align,
            ] {
                bytes.extend(word.to_le_bytes());
            }
        }
        bytes
    }

    /// `readelf -l /proc/kcore` of Linux 6.1 with 2 GiB.
    fn recorded() -> Vec<ProgramHeader> {
        vec![
            load(0xffff_ffff_a4e0_0000, 0x12e0_0000, 0x262_c000),
            load(0xffff_ae82_4000_0000, NO_ADDRESS[0], 0x1fff_ffff_ffff),
            load(0xffff_ffff_c000_0000, NO_ADDRESS[0], 0x3f00_0000),
            load(0xffff_9b6c_c000_1000, 0x1000, 0x9e000),
            load(0xffff_cfa3_8000_0000, NO_ADDRESS[0], 0x3000),
            load(0xffff_9b6c_c010_0000, 0x10_0000, 0x7fed_d000),
        ]
    }

    #[test]
    fn both_mappings_are_found() {
        let found = read(&mut Cursor::new(file(&recorded()))).unwrap();
        let text = Text {
            virt: 0xffff_ffff_a4e0_0000,
            phys: 0x12e0_0000,
            len: 0x262_c000,
        };
        assert_eq!(found.text, Some(text));
        assert_eq!(found.direct_map, Some(0xffff_9b6c_c000_0000));
    }

    #[test]
    fn the_kernel_of_arm64_is_below_that_of_others() {
        // Linux 6.12 with 640 MiB from 1 GiB
        let linear = load(0xffff_39b9_c000_0000, 0x4000_0000, 0x2800_0000);
        let text = load(0xffff_c4f4_5720_0000, 0x4020_0000, 0x250_0000);
        let vmalloc = load(0xffff_8000_8000_0000, NO_ADDRESS[0], 0x7fff_0000_0000);
        for order in [[text, linear, vmalloc], [linear, vmalloc, text]] {
            let found = read(&mut Cursor::new(file(&order))).unwrap();
            let expected = Text {
                virt: 0xffff_c4f4_5720_0000,
                phys: 0x4020_0000,
                len: 0x250_0000,
            };
            assert_eq!(found.text, Some(expected));
            assert_eq!(found.direct_map, Some(0xffff_39b9_8000_0000));
        }
        // no kernel: two ranges of RAM
        let second = load(0xffff_39ba_8000_0000, 0x1_0000_0000, 0x1000_0000);
        let found = read(&mut Cursor::new(file(&[linear, second]))).unwrap();
        assert_eq!(found.text, None);
    }

    #[test]
    fn a_core_of_32_bits_has_the_direct_map() {
        // Linux 6.12 for armhf: vmalloc, low memory
        let loads: [[u32; 3]; 2] = [
            [0xf080_0000, 0xffff_ffff, 0x0f00_0000],
            [0xc000_0000, 0x4000_0000, 0x2800_0000],
        ];
        let mut bytes = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        for half in [abi::ET_CORE, abi::EM_ARM] {
            bytes.extend(half.to_le_bytes());
        }
        for word in [1_u32, 0, 52, 0, 0] {
            bytes.extend(word.to_le_bytes());
        }
        for half in [52_u16, 32, 2, 0, 0, 0] {
            bytes.extend(half.to_le_bytes());
        }
        for [virt, phys, len] in loads {
            for word in [abi::PT_LOAD, 0, virt, phys, len, len, 7, 0] {
                bytes.extend(word.to_le_bytes());
            }
        }
        let found = read(&mut Cursor::new(bytes)).unwrap();
        assert_eq!((found.text, found.direct_map), (None, Some(0x8000_0000)));
    }

    #[test]
    fn memory_in_one_run_from_0_and_an_old_kernel() {
        let direct = 0xffff_8880_0000_0000;
        let text = load(0xffff_ffff_8100_0000, 0x100_0000, 0x100_0000);
        let found = read(&mut Cursor::new(file(&[text, load(direct, 0, 1 << 30)]))).unwrap();
        assert_eq!(found.direct_map, Some(direct));
        let old: Vec<_> = recorded()
            .into_iter()
            .map(|header| load(header.p_vaddr, 0, header.p_memsz))
            .collect();
        assert_eq!(
            read(&mut Cursor::new(file(&old))).unwrap(),
            Kcore::default()
        );
    }

    #[test]
    fn other_files_are_refused() {
        let good = file(&recorded());
        let mut executable = good.clone();
        executable[16] = 2;
        for (bytes, what) in [
            (vec![0; 100], "no ELF"),
            (executable, "no ELF core"),
            (good[..100].to_vec(), "fill"),
            (good[..30].to_vec(), "fill"),
        ] {
            let err = read(&mut Cursor::new(bytes)).unwrap_err();
            assert!(err.to_string().contains(what), "{err}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_corruption_is_handled(at in 0_usize..400, byte in any::<u8>()) {
            let mut bytes = file(&recorded());
            bytes[at] = byte;
            let _ = read(&mut Cursor::new(bytes));
        }
    }
}
