use super::*;
use proptest::prelude::*;
use std::fs;

/// One MiB in a vector.
pub(crate) struct Mib(pub Vec<u8>);

impl Mib {
    pub(crate) fn new() -> Self {
        Self(vec![0; 1 << 20])
    }

    pub(crate) fn with(mut self, addr: usize, bytes: &[u8]) -> Self {
        self.0[addr..addr + bytes.len()].copy_from_slice(bytes);
        self
    }
}

impl PhysicalMemory for Mib {
    fn read(&self, addr: u64, buf: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(addr).unwrap();
        let from = self.0.get(start..).and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(from.ok_or(io::ErrorKind::InvalidInput)?);
        Ok(())
    }
}

struct Refuses;

impl PhysicalMemory for Refuses {
    fn read(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// A valid RSDP.
pub(crate) fn rsdp(revision: u8) -> Vec<u8> {
    let mut bytes = vec![0_u8; if revision >= 2 { 36 } else { 20 }];
    bytes[..8].copy_from_slice(b"RSD PTR ");
    bytes[9..15].copy_from_slice(b"MBTOOL");
    bytes[15] = revision;
    let fix = |bytes: &mut [u8], at: usize| {
        let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        bytes[at] = bytes[at].wrapping_sub(sum);
    };
    fix(&mut bytes[..20], 8);
    if revision >= 2 {
        bytes[20] = 36;
        fix(&mut bytes, 32);
    }
    bytes
}

fn none() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_bios_machine() {
    let mem = Mib::new()
        .with(0x40e, &[0xc0, 0x9f])
        .with(0x413, &[0x7f, 0x02])
        .with(0xf5ad0, &rsdp(0));
    let mut warnings = vec![];
    let low = read(none().path(), Some(&mem), &mut warnings);
    assert_eq!(
        low,
        LowMemory {
            bda_ebda_segment: Some(0x9fc0),
            bda_base_kib: Some(639),
            rsdp: Some(FoundRsdp {
                addr: 0xf5ad0,
                revision: 0
            }),
            rsdp_in_low_memory: true,
            efi: false,
        }
    );
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn the_ebda_is_scanned_first_up_to_one_kib() {
    let mem = Mib::new().with(0xe0000, &rsdp(0)).with(0x9fc10, &rsdp(2));
    assert_eq!(
        scan(&mem, Some(0x9fc0)).unwrap(),
        Some(FoundRsdp {
            addr: 0x9fc10,
            revision: 2
        })
    );
    assert_eq!(
        scan(&mem, None).unwrap(),
        Some(FoundRsdp {
            addr: 0xe0000,
            revision: 0
        })
    );
    let mem = Mib::new().with(0x9fc00, &rsdp(0));
    assert_eq!(scan(&mem, Some(0x9f80)).unwrap(), None);
    // an EBDA field that points to the BDA, or past 1 MiB, is ignored
    let mem = Mib::new().with(0x400, &rsdp(0));
    assert_eq!(scan(&mem, Some(0x40)).unwrap(), None);
    assert_eq!(scan(&mem, Some(0xffff)).unwrap(), None);
}

#[test]
fn a_misaligned_truncated_or_corrupt_rsdp_is_ignored() {
    for revision in [0, 2] {
        let good = rsdp(revision);
        assert_eq!(valid(&good), Some(revision));
        assert_eq!(valid(&good[..good.len() - 1]), None);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert_eq!(valid(&bad), None, "byte {at} of revision {revision}");
        }
    }
    assert_eq!(
        scan(&Mib::new().with(0xe0008, &rsdp(0)), None).unwrap(),
        None
    );
    let last = Mib::new().with(0x10_0000 - 32, &rsdp(0));
    assert_eq!(scan(&last, None).unwrap().unwrap().addr, 0xfffe0);
}

#[test]
fn on_efi_the_rsdp_comes_from_the_system_table() {
    let root = none();
    let efi = root.path().join("sys/firmware/efi");
    fs::create_dir_all(&efi).unwrap();
    fs::write(efi.join("systab"), "ACPI20=0xbfb7e014\nACPI=0xbfb7e000\n").unwrap();
    let low = read(root.path(), Some(&Mib::new()), &mut vec![]);
    assert_eq!(
        low,
        LowMemory {
            bda_ebda_segment: Some(0),
            bda_base_kib: Some(0),
            rsdp: Some(FoundRsdp {
                addr: 0xbfb7_e014,
                revision: 2
            }),
            rsdp_in_low_memory: false,
            efi: true,
        }
    );
}

#[test]
fn the_kernels_own_parameters_are_the_last_resort() {
    let root = none();
    fs::create_dir_all(root.path().join("sys/kernel/boot_params")).unwrap();
    let mut params = vec![0; 4096];
    params[0x70..0x78].copy_from_slice(&0xbfb7_e014_u64.to_le_bytes());
    fs::write(root.path().join("sys/kernel/boot_params/data"), &params).unwrap();
    let mut warnings = vec![];
    let low = read(root.path(), None, &mut warnings);
    assert_eq!(
        low.rsdp,
        Some(FoundRsdp {
            addr: 0xbfb7_e014,
            revision: 2
        })
    );
    assert!(!low.rsdp_in_low_memory);
    assert!(warnings[0].contains("0xbfb7e014"), "{warnings:?}");

    // the command line has priority; hex with and without 0x
    fs::create_dir_all(root.path().join("proc")).unwrap();
    for word in ["acpi_rsdp=0xf5ad0", "acpi_rsdp=f5ad0"] {
        fs::write(root.path().join("proc/cmdline"), format!("quiet {word}\n")).unwrap();
        let low = read(root.path(), None, &mut vec![]);
        assert_eq!(low.rsdp.unwrap().addr, 0xf5ad0, "{word}");
        assert!(low.rsdp_in_low_memory);
    }
    // if memory is readable, the revision is the real one
    let mem = Mib::new().with(0x8000, &rsdp(0));
    fs::write(root.path().join("proc/cmdline"), "acpi_rsdp=0x8000").unwrap();
    let mut warnings = vec![];
    let low = read(root.path(), Some(&mem), &mut warnings);
    assert_eq!(
        low.rsdp,
        Some(FoundRsdp {
            addr: 0x8000,
            revision: 0
        })
    );
    assert!(!low.rsdp_in_low_memory && warnings.is_empty());
}

#[test]
fn unreadable_memory_is_unknown_not_fatal() {
    let mut warnings = vec![];
    let low = read(none().path(), Some(&Refuses), &mut warnings);
    assert_eq!(low, LowMemory::default());
    assert_eq!(warnings.len(), 3, "{warnings:?}");
}

proptest! {
    #[test]
    fn hostile_pointers_do_not_panic(segment: u16, bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mem = Mib::new().with(0xffff0, &bytes[..bytes.len().min(16)]);
        let _ = scan(&mem, Some(segment)).unwrap();
        let _ = valid(&bytes);
    }
}
