//! Verification before the jump, on CPUs with and without special instructions,
//! and that it detects corruption of segments and of itself.
//!
//! QEMU 7.2 does not emulate the SHA extensions: the blob's code for them is
//! run by handoff/tests/blob_code.rs, on the host.

mod support;

use std::mem::offset_of;

use handoff::abi::{Area, BlobHeader, FixupRaw, Params, SEL_TSS};
use handoff::addr::PhysRange;
use handoff::blob;
use handoff::spec::{Digest, Region, Verify, zero_pages};
use images::launch;
use images::payloads::{EXIT_STATUS, MB2_FIXED};
use images::report::PayloadReport;
use sha2::{Digest as _, Sha256};
use support::{MBI, MODULE, Part, Run, load_elf, mbi, multiboot2_spec, run_with};

/// Address of the blob.
const BASE: u64 = 0x600_0000;
const HALTED: &str = "halted (--on-fault halt)";

/// An image with boot information and a module, and a handoff that verifies
/// them.
struct Guest {
    parts: Vec<Part>,
    handoff: Part,
    entry: u64,
}

impl Guest {
    fn new(verify: Verify) -> Self {
        let image = load_elf(MB2_FIXED, 0, true);
        let mut parts = image.parts;
        parts.push(Part {
            address: MBI.into(),
            memsz: 0x1000,
            bytes: mbi(&[]),
        });
        parts.push(Part {
            address: MODULE,
            memsz: 0x10_0000,
            bytes: (0..0xf_1234u32)
                .map(|n| (n.wrapping_mul(n) >> 7) as u8)
                .collect(),
        });
        let regions = parts.iter().enumerate().map(|(i, part)| Region {
            name: format!("part {i}"),
            range: PhysRange::from_len(part.address, part.memsz).unwrap(),
            loaded: part.bytes.len() as u64,
            digest: match verify {
                Verify::Sha256 => Digest::Sha256(Sha256::digest(&part.bytes).into()),
                _ => Digest::Crc32(crc32fast::hash(&part.bytes)),
            },
            zero_pages: zero_pages(&part.bytes, part.memsz),
        });
        let built = blob::build(&multiboot2_spec(
            BASE,
            image.entry,
            verify,
            regions.collect(),
        ))
        .unwrap();
        Self {
            parts,
            handoff: Part {
                address: BASE,
                memsz: built.memsz,
                bytes: built.bytes,
            },
            entry: built.entry,
        }
    }

    fn run(&self, cpu: &str, until: Option<&str>) -> Run {
        let segments: Vec<_> = self
            .parts
            .iter()
            .chain([&self.handoff])
            .map(|part| (part.address, part.memsz, &part.bytes[..]))
            .collect();
        let plan = launch::pack(&segments, self.entry);
        run_with(&["-cpu", cpu], &plan, until)
    }
}

/// Boots on `cpu`; returns the line that names the implementation.
fn started(verify: Verify, cpu: &str) -> String {
    let guest = Guest::new(verify);
    let run = guest.run(cpu, None);
    assert_eq!(
        run.status.code(),
        Some(EXIT_STATUS),
        "{cpu}: {}",
        run.serial
    );
    assert!(
        PayloadReport::parse(&run.serial)
            .unwrap()
            .image
            .sha256_valid
    );
    let good = run.serial.lines().filter(|line| line.ends_with(" ok"));
    let expected = if verify == Verify::None {
        0
    } else {
        guest.parts.len()
    };
    assert_eq!(good.count(), expected, "{}", run.serial);
    let mut lines = run.serial.lines();
    let line = lines.find_map(|line| line.strip_prefix("[handoff] verify with "));
    line.unwrap_or_default().to_owned()
}

#[test]
fn the_implementation_is_chosen_by_cpu_features() {
    assert_eq!(started(Verify::None, "qemu64"), "");
    assert_eq!(started(Verify::Crc32, "qemu64"), "crc32 (portable)");
    assert_eq!(
        started(Verify::Crc32, "qemu64,+pclmulqdq"),
        "crc32 (pclmulqdq)"
    );
    assert_eq!(started(Verify::Sha256, "qemu64"), "sha256 (portable)");
    let best = started(Verify::Sha256, "max");
    assert!(
        ["sha256 (portable)", "sha256 (sha-ni)"].contains(&&*best),
        "{best}"
    );
    eprintln!("-cpu max of this QEMU: {best}");
}

#[test]
fn a_cpu_without_nx_verifies_as_well() {
    assert_eq!(started(Verify::Crc32, "qemu64,-nx"), "crc32 (portable)");
}

#[test]
fn damage_is_reported_with_both_checksums() {
    let hex = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    for cpu in ["qemu64", "max"] {
        for verify in [Verify::Crc32, Verify::Sha256] {
            let mut guest = Guest::new(verify);
            let module = guest.parts.len() - 1;
            let good = guest.parts[module].bytes.clone();
            let last = good.len() - 1;
            guest.parts[module].bytes[last] ^= 0x80;
            let bad = &guest.parts[module].bytes;
            let (algorithm, expected, found) = match verify {
                Verify::Sha256 => ("sha256", hex(&good), hex(bad)),
                _ => {
                    let hex = |bytes: &[u8]| format!("{:#010x}", crc32fast::hash(bytes));
                    ("crc32", hex(&good), hex(bad))
                }
            };
            let run = guest.run(cpu, Some(HALTED));
            let complaint = format!(
                "[handoff] verify part {module} {MODULE:#010x}-{:#010x} {} bytes: BAD {algorithm}, \
                 expected {expected}, found {found}",
                MODULE + 0x10_0000,
                good.len()
            );
            assert!(
                run.serial.lines().any(|line| line == complaint),
                "{complaint}\n{}",
                run.serial
            );
            assert!(!run.serial.contains("MBTOOL-PAYLOAD"), "{}", run.serial);
        }
    }
}

/// Corrupts the handoff itself at `offset`; it must report that first, with the
/// checksums computed here.
fn damaged(offset: usize, cpu: &str) {
    let mut guest = Guest::new(Verify::Crc32);
    guest.handoff.bytes[offset] ^= 1;
    let area = blob::header().area as usize;
    // as the blob sees itself: its TSS busy, the checksum field zero
    let mut seen = guest.handoff.bytes.clone();
    seen.truncate(area + offset_of!(Area, scratch));
    let field = area + offset_of!(Area, params) + offset_of!(Params, checksum);
    let field = &mut seen[field..][..4];
    let expected = u32::from_le_bytes(field.try_into().unwrap());
    field.fill(0);
    let tss = area + offset_of!(Area, tables.gdt) + usize::from(SEL_TSS);
    assert_eq!(seen[tss + 5], 0x89);
    seen[tss + 5] = 0x8b;
    let complaint = format!(
        "[handoff] handoff itself is damaged: expected {expected:#010x}, found {:#010x}",
        crc32fast::hash(&seen)
    );
    let run = guest.run(cpu, Some(HALTED));
    assert!(
        run.serial.lines().any(|line| line == complaint),
        "offset {offset:#x}: {complaint}\n{}",
        run.serial
    );
    for later in ["verify part", "jump to", "MBTOOL-PAYLOAD", "EXCEPTION"] {
        assert!(!run.serial.contains(later), "{later}: {}", run.serial);
    }
}

#[test]
fn a_damaged_handoff_is_reported_first() {
    let area = blob::header().area as usize;
    let constant = 0x428a2f98u32.to_le_bytes(); // of SHA-256: not used in this run
    let mut windows = blob::IMAGE.windows(4);
    let constants = windows.position(|bytes| bytes == constant).unwrap();
    damaged(offset_of!(BlobHeader, reserved), "qemu64");
    damaged(constants, "qemu64");
    damaged(constants, "qemu64,+pclmulqdq");
    damaged(blob::IMAGE.len(), "qemu64"); // padding behind the code
    let last_fixup = offset_of!(Area, params.fixups) + 15 * size_of::<FixupRaw>();
    damaged(area + last_fixup, "qemu64");
    damaged(area + offset_of!(Area, params.checksum), "qemu64");
    // an entry of the page tables: too late once they are loaded
    damaged(area + offset_of!(Area, tables.pool) + 4096, "qemu64");
    damaged(area + offset_of!(Area, scratch) - 1, "max");
}
