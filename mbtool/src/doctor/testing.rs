//! Test machine: QEMU's pc with 2 GiB and two CPUs, without problems, in a
//! temporary directory.

use super::{CheckedMachine, WantedImage};
use crate::host::firmware::tests::write_memmap;
use crate::host::low_memory::tests::{Mib, rsdp};
use crate::image::{As, Image, synth};
use crate::request::console::ConsoleSpec;
use crate::request::decide::decide;
use crate::request::{BootOptions, Files};
use crate::sys::testing::IOMEM;
use std::fs;
use std::path::Path;

/// An ACPI table with this signature and body, checksum 0.
pub fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = signature.to_vec();
    bytes.extend((36 + body.len() as u32).to_le_bytes());
    bytes.resize(36, b' ');
    bytes.extend(body);
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[9] = bytes[9].wrapping_sub(sum);
    bytes
}

/// Headers of an ELF core: the kernel's mapping, and the direct map.
fn kcore() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0\x3e\0\x01\0\0\0".to_vec();
    for word in [0_u64, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 2, 0, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    for (virt, phys, len) in [
        (0xffff_ffff_8100_0000_u64, 0x100_0000_u64, 0x200_0000_u64),
        (0xffff_8880_0010_0000, 0x10_0000, 0x7fed_c000),
    ] {
        bytes.extend([1, 0, 0, 0, 7, 0, 0, 0]);
        for word in [0, virt, phys, len, len, 4096] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}

/// The directory.
pub struct Recorded(tempfile::TempDir);

impl Recorded {
    /// A machine without problems, except that no crash image is loaded.
    pub fn new() -> Self {
        let recorded = Self(tempfile::tempdir().unwrap());
        write_memmap(
            recorded.0.path(),
            &[
                (0x0, 0x9fbff, "System RAM"),
                (0x9fc00, 0x9ffff, "Reserved"),
                (0xf0000, 0xfffff, "Reserved"),
                (0x100000, 0x7ffdbfff, "System RAM"),
                (0x7ffdc000, 0x7fffffff, "Reserved"),
                (0xfffc0000, 0xffffffff, "Reserved"),
            ],
        );
        let mut madt = vec![0; 8];
        for id in [4, 5] {
            madt.extend([0, 8, id, id, 1, 0, 0, 0]);
        }
        let low = Mib::new()
            .with(0x40e, &[0xc0, 0x9f])
            .with(0x413, &[0x7f, 0x02])
            .with(0xf5a80, &rsdp(0));
        recorded.put("dev/mem", low.0);
        recorded.put("sys/firmware/acpi/tables/APIC", table(b"APIC", &madt));
        recorded.put("sys/firmware/acpi/tables/FACP", table(b"FACP", &[0; 208]));
        recorded.put("sys/kernel/boot_params/data", [0; 4096]);
        recorded.put("proc/kcore", kcore());
        for (path, content) in [
            ("proc/iomem", IOMEM),
            ("proc/cmdline", "console=ttyS0 crashkernel=256M\n"),
            (
                "proc/cpuinfo",
                "processor\t: 0\napicid\t\t: 4\nflags\t\t: fpu vme\n\n\
                 processor\t: 1\napicid\t\t: 5\nflags\t\t: fpu vme\n\n",
            ),
            ("proc/self/status", "CapEff:\t000001ffffffffff\n"),
            ("proc/sys/kernel/osrelease", "6.1.0-50-amd64\n"),
            ("proc/sys/kernel/kexec_load_disabled", "0\n"),
            ("proc/sys/kernel/panic", "10\n"),
            ("proc/sys/kernel/panic_on_oops", "1\n"),
            ("proc/sys/kernel/sysrq", "1\n"),
            (
                "proc/kallsyms",
                "0000000000000000 T do_kexec_load\n\
                 0000000000000000 T __x64_sys_kexec_load\n\
                 0000000000000000 t kexec_load_check\n",
            ),
            ("sys/kernel/kexec_loaded", "0\n"),
            ("sys/kernel/kexec_crash_loaded", "0\n"),
            ("sys/kernel/kexec_crash_size", "268435456\n"),
            (
                "sys/kernel/security/lockdown",
                "[none] integrity confidentiality\n",
            ),
            ("sys/kernel/vmcoreinfo", "0x0000000001886000 1024\n"),
            ("sys/devices/system/cpu/present", "0-1\n"),
            ("sys/devices/system/cpu/online", "0-1\n"),
            ("sys/devices/system/cpu/cpu0/crash_notes", "7d1e5b00\n"),
            ("sys/devices/system/cpu/cpu0/crash_notes_size", "372\n"),
            ("sys/devices/system/cpu/cpu1/crash_notes", "7d2e5b00\n"),
            ("sys/devices/system/cpu/cpu1/crash_notes_size", "372\n"),
        ] {
            recorded.put(path, content);
        }
        recorded
    }

    /// Returns the path of the directory.
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file.
    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Removes a file or a directory.
    pub fn remove(&self, path: &str) {
        let path = self.0.path().join(path);
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
        removed.unwrap();
    }

    /// Reads the machine for the checks.
    pub fn machine(&self) -> CheckedMachine {
        CheckedMachine::read(self.root())
    }

    /// [`Self::machine`] with a Linux as crash image.
    pub fn with_linux(&self) -> CheckedMachine {
        self.with("linux", synth::bzimage(), "nr_cpus=1")
    }

    /// [`Self::machine`] with `image` as crash image.
    pub fn with(&self, name: &str, image: Vec<u8>, cmdline: &str) -> CheckedMachine {
        let mut machine = self.machine();
        let options = BootOptions {
            crash: true,
            cmdline: Some(cmdline.to_owned()),
            ..BootOptions::new(name.into())
        };
        let files = Files {
            device_tree: None,
            image: Image::parse_as(&image, name, As::Auto).unwrap(),
            layers: vec![],
            modules: vec![],
            line: None,
            embedded: vec![],
            initrd: Default::default(),
        };
        let outcome = machine.host().map(|host| decide(&options, files, host));
        machine.wanted = Some(WantedImage {
            name: name.to_owned(),
            outcome,
            consoles: vec![ConsoleSpec::Auto],
            cmdline: cmdline.to_owned(),
        });
        machine
    }
}
