//! Kernels for dom0.

use crate::image::dom0::look;
use crate::image::synth::{ElfBuilder, dom0_kernel, dom0_notes};
use handoff::addr::PhysRange;

#[test]
fn the_kernel_says_how_much_it_takes() {
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
fn old_notes_mean_that_all_is_mapped_together() {
    let file = ElfBuilder::elf64(0x100_0000)
        .load(0x100_0000, vec![1; 16], 0x1000)
        .segment(dom0_notes(&[(1, 0x100_0000), (17, 1 << 11)]))
        .build();
    let found = look(&file, "vmlinux").unwrap();
    assert!(!found.initrd_apart && !found.p2m_apart);
}

#[test]
fn what_cannot_be_dom0_is_refused() {
    let with = |notes: &[(u32, u64)]| {
        let file = ElfBuilder::elf64(0x100_0000)
            .load(0x100_0000, vec![1; 16], 0x1000)
            .segment(dom0_notes(notes))
            .build();
        look(&file, "vmlinuz").unwrap_err().to_string()
    };
    // PVH only
    let text = with(&[(18, 0x100_0000), (17, 1 << 11)]);
    assert!(
        text.starts_with("vmlinuz: ") && text.contains("CONFIG_XEN_PV"),
        "{text}"
    );
    let text = with(&[(1, 0x100_0000), (17, 1)]);
    assert!(text.contains("for other domains only"), "{text}");
    let empty = ElfBuilder::elf64(0)
        .segment(dom0_notes(&[(1, 0x100_0000)]))
        .build();
    let text = look(&empty, "vmlinuz").unwrap_err().to_string();
    assert!(text.contains("no memory"), "{text}");
    let high = ElfBuilder::elf64(0)
        .load(u64::from(u32::MAX), vec![1], 0x1000)
        .segment(dom0_notes(&[(1, 0x100_0000)]))
        .build();
    let text = look(&high, "vmlinuz").unwrap_err().to_string();
    assert!(text.contains("above 4 GiB"), "{text}");
    for bytes in [&b""[..], b"\x7fELF", &[0x1f, 0x8b, 8, 0, 1], &[7; 4096]] {
        assert!(look(bytes, "vmlinuz").is_err(), "{bytes:02x?}");
    }
}
