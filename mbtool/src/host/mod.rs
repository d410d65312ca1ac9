//! What the machine's physical memory is, and what lies in its first MiB.

pub mod acpi;
pub mod boot_facts;
pub mod crash_notes;
pub mod devmem;
pub mod efi;
pub mod error;
pub mod firmware;
pub mod hypervisor;
pub mod iomem;
pub mod kcore;
pub mod kexec_state;
pub mod low_memory;
pub mod map;
mod read;
pub mod replay;
pub mod serial;
pub mod xen;

pub use error::MemoryError;
pub use read::read;

use handoff::addr::PhysRange;
use handoff::runs;
use serde::{Deserialize, Serialize};

/// What a range of the physical address space is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
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
    /// EFI special purpose ("soft reserved") memory; never RAM for us.
    SoftReserved,
}

/// One typed range, half-open, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
}

impl Entry {
    /// `range` is of type `kind`.
    #[must_use]
    pub const fn new(range: PhysRange, kind: Kind) -> Self {
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

/// Where the ACPI RSDP is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rsdp {
    /// Physical address.
    pub addr: u64,
    /// 0: ACPI 1.0 (20 bytes); 2 and up: 36 bytes.
    pub revision: u8,
}

/// What a kernel that scans low memory, as Xen does, will find there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LowMemory {
    /// Word at 0x40e: EBDA segment (paragraphs). `None`: could not be read.
    pub bda_ebda_segment: Option<u16>,
    /// Word at 0x413: base memory in KiB. `None`: could not be read.
    pub bda_base_kib: Option<u16>,
    /// The RSDP, wherever it is.
    pub rsdp: Option<Rsdp>,
    /// True when a scan of the EBDA's first KiB and 0xe0000-0xfffff finds an RSDP.
    pub rsdp_in_low_memory: bool,
    /// True for a machine started by UEFI.
    pub efi: bool,
}

/// Everything that the planner knows of a machine: what `plan --memory-map`
/// reads and `status --json` can write. A pure value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Typed, sorted, merged, not overlapping.
    pub memory_map: Vec<Entry>,
    /// RAM that Linux uses although it is in EFI's runtime map: boot services' memory that something else had reserved.
    /// The memory map has it as reserved, so that nothing is loaded there; a dump has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub efi_ram: Vec<Entry>,
    /// RAM that a driver has added while Linux runs (virtio-mem, CXL or dax memory), which is in no map of firmware's.
    /// Nothing is loaded there, and no later kernel takes it for RAM; a dump has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added_ram: Vec<Entry>,
    /// See [`LowMemory`].
    pub low_memory: LowMemory,
    /// The crash region(s) reserved by `crashkernel=`; empty where there is none.
    #[serde(default)]
    pub crash_regions: Vec<CrashRegion>,
    /// The running kernel's command line, for `--reuse-cmdline` and `--console auto`.
    #[serde(default)]
    pub cmdline: String,
    /// What the running system leaves for a dump, for a crash image.
    #[serde(default)]
    pub dump: crate::host::crash_notes::CrashInfo,
    /// Serial ports, for `--console auto` and `pci:`.
    #[serde(default)]
    pub serial: serial::Serial,
    /// The Xen below, in a PV dom0 that can ask it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xen: Option<xen::XenHost>,
    /// Screen, BIOS disks and EFI, for a Linux image.
    #[serde(default)]
    pub boot_facts: boot_facts::BootFacts,
    /// ACPI tables, for Xen as crash image; never recorded.
    #[serde(skip)]
    pub acpi: acpi::Acpi,
}

impl Host {
    /// All RAM that the running system may have something in, for a dump.
    #[must_use]
    pub fn ram_in_use(&self) -> Vec<Entry> {
        let ram = self.memory_map.iter().chain(&self.efi_ram);
        let ram = ram.chain(&self.added_ram);
        let ram: Vec<Entry> = ram
            .filter(|entry| entry.kind == Kind::Ram)
            .copied()
            .collect();
        // no range of a machine ends before it starts
        map::normalise(&ram).unwrap_or(ram)
    }

    /// The memory map, with RAM that drivers have added as reserved where it says nothing of it: what a crash kernel
    /// must find to be no room for devices.
    #[must_use]
    pub fn map_with_added(&self) -> Vec<Entry> {
        let known = self.memory_map.iter().map(Entry::range);
        let added = map::normalise(&self.added_ram).unwrap_or_default();
        let unknown = runs::without(added.iter().map(Entry::range), known);
        let reserved = |range| Entry::new(range, Kind::Reserved);
        let mut all = self.memory_map.clone();
        all.extend(unknown.into_iter().map(reserved));
        map::normalise(&all).unwrap_or(all)
    }

    /// The crash regions, without one that ends before it starts, which only a
    /// recording has.
    pub fn crash_ranges(&self) -> impl Iterator<Item = PhysRange> + '_ {
        self.crash_regions.iter().filter_map(CrashRegion::range)
    }

    /// What is left for a dump of all that runs: of Xen, too, where one is below.
    #[must_use]
    pub fn dump_facts(&self) -> crate::host::crash_notes::CrashInfo {
        match &self.xen {
            Some(xen) => self.dump.with_xen(xen),
            None => self.dump.clone(),
        }
    }
}

/// A range reserved for a crash kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrashRegion {
    /// First byte.
    pub start: u64,
    /// One past the last.
    pub end: u64,
}

impl CrashRegion {
    /// The range; `None` where it ends before it starts.
    #[must_use]
    pub const fn range(&self) -> Option<PhysRange> {
        PhysRange::new(self.start, self.end)
    }
}

impl From<PhysRange> for CrashRegion {
    fn from(range: PhysRange) -> Self {
        Self {
            start: range.start,
            end: range.end,
        }
    }
}
