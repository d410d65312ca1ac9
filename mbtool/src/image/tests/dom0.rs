//! Kernels for dom0.

use crate::image::ImageErrorReason;
use crate::image::dom0::look;
use crate::image::error::{LinuxImageError, ProgramHeaderError};
use crate::image::synth::{ElfBuilder, bzimage, dom0_kernel, dom0_notes};
use handoff::addr::PhysRange;
use std::io::Write;

#[test]
fn memory_and_features_come_from_program_headers_and_notes() {
    let file = dom0_kernel(0x100_0000, 0x4a0_0000);
    let found = look(&file, "vmlinux").unwrap();
    let memory = PhysRange {
        start: 0x100_0000,
        end: 0x4a0_0000,
    };
    assert_eq!(found.memory, memory);
    assert!(found.initrd_apart && found.p2m_apart);
    assert_eq!(found.unpacked, memory.len());
}

#[test]
fn without_init_p2m_and_mod_start_pfn_initrd_and_p2m_are_mapped() {
    let file = ElfBuilder::elf64(0x100_0000)
        .load(0x100_0000, vec![1; 16], 0x1000)
        .segment(dom0_notes(&[(1, 0x100_0000), (17, 1 << 11)]))
        .build();
    let found = look(&file, "vmlinux").unwrap();
    assert!(!found.initrd_apart && !found.p2m_apart);
}

#[test]
fn kernels_that_cannot_be_dom0_are_refused() {
    let with = |notes: &[(u32, u64)]| {
        let file = ElfBuilder::elf64(0x100_0000)
            .load(0x100_0000, vec![1; 16], 0x1000)
            .segment(dom0_notes(notes))
            .build();
        let error = look(&file, "vmlinuz").unwrap_err();
        assert_eq!(error.name, "vmlinuz");
        error.reason
    };
    // PVH only
    assert_eq!(
        with(&[(18, 0x100_0000), (17, 1 << 11)]),
        LinuxImageError::NotPv.into()
    );
    assert_eq!(
        with(&[(1, 0x100_0000), (17, 1)]),
        LinuxImageError::NotDom0.into()
    );
    let empty = ElfBuilder::elf64(0)
        .segment(dom0_notes(&[(1, 0x100_0000)]))
        .build();
    let error = look(&empty, "vmlinuz").unwrap_err();
    assert_eq!(error.reason, LinuxImageError::NoMemory.into());
    let high = ElfBuilder::elf64(0)
        .load(u64::from(u32::MAX), vec![1], 0x1000)
        .segment(dom0_notes(&[(1, 0x100_0000)]))
        .build();
    let error = look(&high, "vmlinuz").unwrap_err();
    let above = ProgramHeaderError::Above4Gib {
        memsz: 0x1000,
        paddr: u32::MAX.into(),
    };
    assert_eq!(
        error.reason,
        ImageErrorReason::ProgramHeader {
            index: 0,
            why: above
        }
    );
    for bytes in [&b""[..], b"\x7fELF", &[0x1f, 0x8b, 8, 0, 1], &[7; 4096]] {
        assert!(look(bytes, "vmlinuz").is_err(), "{bytes:02x?}");
    }
}

/// A bzImage whose payload is `kernel` by gzip, its unpacked size last.
fn packed(kernel: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(kernel).unwrap();
    with_payload(&encoder.finish().unwrap())
}

/// A bzImage with this payload.
fn with_payload(payload: &[u8]) -> Vec<u8> {
    let mut file = bzimage();
    let at = 0x800 + 0x300;
    let end = at + payload.len();
    file.resize(end.next_multiple_of(16), 0);
    file[at..end].copy_from_slice(payload);
    let mut put = |at: usize, value: usize| {
        let value = u32::try_from(value).unwrap();
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    put(0x24c, payload.len());
    put(0x1f4, (end - 0x800).div_ceil(16));
    file
}

/// A kernel with notes between two segments of noise, which no compressor makes smaller.
fn noisy_kernel() -> Vec<u8> {
    let noise = |seed: u32| {
        let mut state = seed;
        std::iter::repeat_with(move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
    };
    let data = |seed| noise(seed).take(1 << 20).collect::<Vec<u8>>();
    ElfBuilder::elf64(0x100_0000)
        .load(0x100_0000, data(1), 1 << 20)
        .segment(dom0_notes(&[(1, 0x100_0000), (16, 1), (17, 1 << 11)]))
        .load(0x110_0000, data(2), 0x400_0000)
        .build()
}

#[test]
fn a_bzimage_is_unpacked_up_to_its_notes() {
    let kernel = noisy_kernel();
    let found = look(&packed(&kernel), "vmlinuz").unwrap();
    assert_eq!(found, look(&kernel, "vmlinux").unwrap());
    assert_eq!(found.unpacked, 0x410_0000);
    // Xen takes a payload that is not compressed too
    assert_eq!(
        look(&with_payload(&kernel), "vmlinuz").unwrap(),
        look(&kernel, "vmlinux").unwrap()
    );
    // three quarters on: behind the notes, which are in the middle
    let mut damaged = packed(&kernel);
    let at = damaged.len() / 4 * 3;
    damaged[at..at + 64].fill(0);
    assert_eq!(look(&damaged, "vmlinuz").unwrap(), found);
    let at = damaged.len() / 4;
    damaged[at..at + 64].fill(0);
    assert!(look(&damaged, "vmlinuz").is_err());
}

#[test]
fn the_unpacked_size_of_a_bzimage_is_believed_up_to_a_limit() {
    let with_size = |size: u32| {
        let mut file = packed(&noisy_kernel());
        let length = u32::from_le_bytes(*file[0x24c..].first_chunk().unwrap());
        let end = 0xb00 + usize::try_from(length).unwrap();
        file[end - 4..end].copy_from_slice(&size.to_le_bytes());
        look(&file, "vmlinuz")
    };
    assert_eq!(with_size(0x800_0000).unwrap().unpacked, 0x800_0000);
    for size in [0, 0x4000_0001, u32::MAX] {
        assert!(with_size(size).is_err(), "{size:#x}");
    }
    // smaller than where its notes are
    let error = with_size(0x1_0000).unwrap_err().reason;
    assert!(matches!(
        error,
        ImageErrorReason::Linux(LinuxImageError::UnpackedSizeTooSmall { size: 0x1_0000, .. })
    ));
}
