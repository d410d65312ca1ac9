//! The handoff, entered like by Linux's kexec, without a Linux: the payload
//! reports the machine state at its entry.

mod support;

use handoff::addr::PhysRange;
use handoff::blob;
use handoff::spec::{Digest, Region, Verify, zero_pages};
use images::launch;
use images::payloads::{EXIT_STATUS, FAULT32_OFFSET, FAULT32_REGISTERS, MB2_FAULT32, MB2_FIXED};
use images::report::{MULTIBOOT2_MAGIC, PayloadReport};
use support::{Loaded, MBI, MODULE, Part, Run, load_elf, mbi, multiboot2_spec, run};

/// Address of the blob.
const BASE: u64 = 0x600_0000;

/// Boots `image` through the handoff. `corrupt` changes a byte after the
/// checksums were computed: part number and offset.
fn boot(image: Loaded, corrupt: Option<(usize, usize)>, until: Option<&str>) -> Run {
    let mut parts = image.parts;
    parts.push(Part {
        address: MBI.into(),
        memsz: 0x1000,
        bytes: mbi(&[]),
    });
    parts.push(Part {
        address: MODULE,
        memsz: 0x2000,
        bytes: vec![0xa5; 0x1234],
    });
    let regions = parts.iter().enumerate().map(|(i, part)| Region {
        name: format!("part {i}"),
        range: PhysRange::from_len(part.address, part.memsz).unwrap(),
        loaded: part.bytes.len() as u64,
        digest: Digest::Crc32(crc32fast::hash(&part.bytes)),
        zero_pages: zero_pages(&part.bytes, part.memsz),
    });
    let built = blob::build(&multiboot2_spec(
        BASE,
        image.entry,
        Verify::Crc32,
        regions.collect(),
    ))
    .unwrap();
    if let Some((part, offset)) = corrupt {
        parts[part].bytes[offset] ^= 0x10;
    }
    parts.push(Part {
        address: BASE,
        memsz: built.memsz,
        bytes: built.bytes,
    });
    let segments: Vec<_> = parts
        .iter()
        .map(|p| (p.address, p.memsz, &p.bytes[..]))
        .collect();
    run(&launch::pack(&segments, built.entry), until)
}

#[test]
fn the_target_is_entered_in_the_multiboot2_machine_state() {
    let run = boot(load_elf(MB2_FIXED, 0, true), None, None);
    assert_eq!(run.status.code(), Some(EXIT_STATUS), "{}", run.serial);
    let report = PayloadReport::parse(&run.serial).unwrap();
    let registers = report.registers;
    assert_eq!(
        (registers.eax, registers.ebx),
        (MULTIBOOT2_MAGIC, MBI.into())
    );
    assert_eq!(
        registers.cr0 & (1 << 31 | 1),
        1,
        "paging off, protection on"
    );
    assert_eq!(registers.eflags & (1 << 9 | 1 << 17), 0, "IF and VM clear");
    assert_eq!(registers.efer & (1 << 8 | 1 << 10), 0, "no long mode");
    // not required by Multiboot2, but the purpose of the handoff: faults of the
    // target's first instructions reach its gates
    assert!(registers.idt_limit >= 32 * 8 - 1, "{registers:x?}");
    assert!(report.image.sha256_valid && report.bss.first_dirty.is_none());
}

#[test]
fn a_changed_byte_is_reported_by_the_name_of_its_segment() {
    let image = load_elf(MB2_FIXED, 0, true);
    let module = image.parts.len() + 1;
    let name = format!("part {module}");
    let run = boot(image, Some((module, 0x1233)), Some("part 3"));
    assert!(run.serial.contains(&name), "{}", run.serial);
    assert!(!run.serial.contains("MBTOOL-PAYLOAD"), "{}", run.serial);
}

#[test]
fn a_fault_of_the_first_instructions_is_dumped() {
    let image = load_elf(MB2_FAULT32, 0, true);
    let eip = image.entry as u32 + FAULT32_OFFSET;
    let run = boot(image, None, Some(handoff::dump::END));
    let text = &run.serial;
    assert!(text.contains("EXCEPTION vector 6"), "{text}");
    assert!(text.contains(&format!("rip {eip:#010x}")), "{text}");
    let names = ["rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi"];
    for (name, value) in names.into_iter().zip(FAULT32_REGISTERS) {
        assert!(
            text.contains(&format!("{name} {value:#010x}")),
            "{name}: {text}"
        );
    }
}
