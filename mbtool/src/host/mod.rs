//! The running machine: physical memory, firmware data, hypervisor, kexec
//! state.

pub mod acpi;
pub mod arm;
pub mod boot_facts;
pub mod crash_notes;
pub mod device_tree;
pub mod devmem;
pub mod efi;
pub mod error;
pub mod firmware;
pub mod hypervisor;
pub mod iomem;
pub mod kallsyms;
pub mod kcore;
pub mod kernel_config;
pub mod kexec_state;
pub mod low_memory;
pub mod map;
mod read;
pub mod replay;
pub mod sbi;
pub mod screen;
pub mod serial;
pub mod smbios;
pub mod virt;
pub mod xen;

pub use error::MemoryError;
pub use read::{platform, read};

use crate::arch::Architecture;
use device_tree::TreeBlob;
use handoff::addr::PhysRange;
use handoff::runs;
use serde::{Deserialize, Serialize};

/// Type of a range of the physical address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemoryKind {
    /// Usable RAM (E820 type 1).
    Ram,
    /// Reserved (2).
    Reserved,
    /// ACPI tables, reclaimable once read (3).
    AcpiTables,
    /// ACPI non-volatile storage (4).
    AcpiNvs,
    /// Broken RAM (5).
    Unusable,
    /// Persistent memory (7); never RAM.
    Pmem,
    /// Persistent memory, legacy (12); never RAM.
    Pram,
    /// EFI special purpose ("soft reserved") memory; not used as RAM.
    SoftReserved,
}

/// One typed range, half-open, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapEntry {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// Type of the range.
    #[serde(rename = "type")]
    pub kind: MemoryKind,
}

impl MapEntry {
    /// `range` is of type `kind`.
    #[must_use]
    pub const fn new(range: PhysRange, kind: MemoryKind) -> Self {
        Self {
            start: range.start,
            end: range.end,
            kind,
        }
    }

    /// The range without its type.
    #[must_use]
    pub const fn range(&self) -> PhysRange {
        PhysRange {
            start: self.start,
            end: self.end,
        }
    }
}

/// Location of the ACPI RSDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundRsdp {
    /// Physical address.
    pub addr: u64,
    /// 0: ACPI 1.0 (20 bytes); 2 and up: 36 bytes.
    pub revision: u8,
}

/// The first MiB as seen by a kernel that scans it, such as Xen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowMemory {
    /// Field at 0x40e: EBDA segment (paragraphs). `None` if unreadable.
    pub bda_ebda_segment: Option<u16>,
    /// Field at 0x413: base memory in KiB. `None` if unreadable.
    pub bda_base_kib: Option<u16>,
    /// The RSDP at any address.
    pub rsdp: Option<FoundRsdp>,
    /// True when a scan of the EBDA's first KiB and 0xe0000-0xfffff finds an RSDP.
    pub rsdp_in_low_memory: bool,
    /// True for a machine started by UEFI.
    pub efi: bool,
}

/// Input of the planner about a machine: `plan --memory-map` reads it and
/// `status --json` writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// What machine it is.
    #[serde(default, skip_serializing_if = "Architecture::is_default")]
    pub arch: Architecture,
    /// Typed, sorted, merged, not overlapping.
    pub memory_map: Vec<MapEntry>,
    /// RAM that Linux uses although it is in EFI's runtime map: boot services memory with another
    /// reservation in it. It is reserved in the memory map, so that nothing is loaded there; a dump
    /// includes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub efi_ram: Vec<MapEntry>,
    /// RAM added by a driver at run time (virtio-mem, CXL or dax memory), which is not in
    /// firmware's map. Nothing is loaded there, and the next kernel does not use it as RAM; a dump
    /// includes it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added_ram: Vec<MapEntry>,
    /// See [`LowMemory`].
    pub low_memory: LowMemory,
    /// The crash region(s) reserved by `crashkernel=`; empty where there is none.
    #[serde(default)]
    pub crash_regions: Vec<RawRange>,
    /// The running kernel's command line, for `--reuse-cmdline` and `--console auto`.
    #[serde(default)]
    pub cmdline: String,
    /// Data of the running system for a dump.
    #[serde(default)]
    pub dump: crate::host::crash_notes::CrashInfo,
    /// Serial ports, for `--console auto` and `pci:`.
    #[serde(default)]
    pub serial: serial::Serial,
    /// The Xen below, in a PV dom0 that can ask it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xen: Option<xen::XenHost>,
    /// The firmware of a riscv64 machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbi: Option<sbi::SbiFacts>,
    /// Exception levels and KVM of an ARM machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<arm::ArmFacts>,
    /// CPUs and kernel, for `probe`.
    #[serde(default, skip_serializing_if = "virt::VirtFacts::is_unknown")]
    pub virt: virt::VirtFacts,
    /// Screen, BIOS disks and EFI, for a Linux image.
    #[serde(default)]
    pub boot_facts: boot_facts::BootFacts,
    /// The running kernel's device tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_tree: Option<TreeBlob>,
    /// ACPI tables, for Xen as crash image; never recorded.
    #[serde(skip)]
    pub acpi: acpi::Acpi,
}

impl Host {
    /// Returns all RAM that the running system may use, for a dump.
    #[must_use]
    pub fn ram_in_use(&self) -> Vec<MapEntry> {
        let ram = self.memory_map.iter().chain(&self.efi_ram);
        let ram = ram.chain(&self.added_ram);
        let ram: Vec<MapEntry> = ram
            .filter(|entry| entry.kind == MemoryKind::Ram)
            .copied()
            .collect();
        // no range of a real machine ends before it starts
        map::normalize(&ram).unwrap_or(ram)
    }

    /// Returns the memory map with RAM added by drivers as reserved, so that a crash kernel does
    /// not map devices there.
    #[must_use]
    pub fn map_with_added(&self) -> Vec<MapEntry> {
        let known = self.memory_map.iter().map(MapEntry::range);
        let added = map::normalize(&self.added_ram).unwrap_or_default();
        let unknown = runs::without(added.iter().map(MapEntry::range), known);
        let reserved = |range| MapEntry::new(range, MemoryKind::Reserved);
        let mut all = self.memory_map.clone();
        all.extend(unknown.into_iter().map(reserved));
        map::normalize(&all).unwrap_or(all)
    }

    /// Returns the crash regions that do not end before they start, as in an
    /// invalid recording.
    pub fn crash_ranges(&self) -> impl Iterator<Item = PhysRange> + '_ {
        self.crash_regions.iter().filter_map(RawRange::range)
    }

    /// Returns dump data of the whole running system, including Xen if it runs
    /// below.
    #[must_use]
    pub fn dump_facts(&self) -> crate::host::crash_notes::CrashInfo {
        match &self.xen {
            Some(xen) => self.dump.with_xen(xen),
            None => self.dump.clone(),
        }
    }
}

/// The running kernel's release, as `uname -r` prints it.
#[must_use]
pub fn release() -> String {
    let name = rustix::system::uname();
    name.release().to_string_lossy().into_owned()
}

/// A range as the kernel, Xen or a recorded file gives it. Unlike a [`PhysRange`] it may end before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRange {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

impl RawRange {
    /// The range; `None` if it ends before it starts.
    #[must_use]
    pub const fn range(&self) -> Option<PhysRange> {
        PhysRange::new(self.start, self.end)
    }
}

impl From<PhysRange> for RawRange {
    fn from(range: PhysRange) -> Self {
        Self {
            start: range.start,
            end: range.end,
        }
    }
}
