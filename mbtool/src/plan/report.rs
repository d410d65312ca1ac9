//! The document of `plan --json`, and the table of `plan`.
//!
//! docs/plan-json.md describes every field. Addresses are strings ("0x1000"),
//! sizes are numbers; `memory_map`, `low_memory` and `crash_regions` have the
//! format of [`crate::host::Host`], so that a plan can be used as a recorded
//! machine.

pub(super) mod assemble;
pub(super) mod assemble_dt;
mod fixup;
mod option_syntax;
pub mod svg;
pub(super) mod table;

pub use super::hex::{Hex, HexRange};
pub use fixup::FixupReport;
pub use option_syntax::{console_text, consoles_text, drill_text, on_fault_text, verify_text};

use super::boot::DecodedInfo;
use crate::arch::Architecture;
use crate::host::boot_facts::BootFacts;
use crate::host::crash_notes::CrashInfo;
use crate::host::device_tree::TreeBlob;
use crate::host::xen::XenHost;
use crate::host::{LowMemory, MapEntry, RawRange};
use crate::plan::InitrdPart;
use crate::plan::cmdline_change::CmdlineChange;
use serde::{Serialize, Serializer};

/// Incremented with every incompatible change of the document.
pub const FORMAT: u32 = 2;

/// Document of `plan --json`; see docs/plan-json.md.
#[derive(Clone, Debug, Serialize)]
pub struct PlanReport {
    /// Value of [`FORMAT`].
    pub format: u32,
    /// The machine.
    #[serde(skip_serializing_if = "Architecture::is_default")]
    pub arch: Architecture,
    /// True for a crash image.
    pub crash: bool,
    /// Entry point for the old kernel: that of the handoff.
    pub entry: Hex,
    /// Entry state of the image.
    pub exit: ExitReport,
    /// The image.
    pub image: ImageReport,
    /// Segments with names, by address.
    pub segments: Vec<SegmentReport>,
    /// Decoded boot information; for Multiboot2 the key is `mbi`.
    #[serde(flatten)]
    pub boot: DecodedInfo,
    /// The machine's memory map.
    pub memory_map: Vec<MapEntry>,
    /// RAM that Linux shares with EFI, see [`crate::host::Host::efi_ram`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub efi_ram: Vec<MapEntry>,
    /// RAM added by drivers, see [`crate::host::Host::added_ram`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added_ram: Vec<MapEntry>,
    /// Contents of low memory.
    pub low_memory: LowMemory,
    /// Crash regions of the running kernel.
    pub crash_regions: Vec<RawRange>,
    /// The Xen that runs below a dom0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xen: Option<XenHost>,
    /// Linux only: facts of the running machine that are passed to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_facts: Option<BootFacts>,
    /// The running kernel's device tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_tree: Option<TreeBlob>,
    /// Crash image only: notes and other dump data of the running system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dump: Option<CrashInfo>,
    /// Xen's requirements below 1 MiB; null for other images.
    pub xen_low_memory: Option<LowReport>,
    /// Stores and copies of the handoff just before the jump, in order.
    pub fixups: Vec<FixupReport>,
    /// Moves of the handoff after verification and before `fixups`, in order.
    pub moves: Vec<MoveReport>,
    /// Ranges that the handoff clears after `moves`.
    pub clear: Vec<HexRange>,
    /// The handoff.
    pub handoff: HandoffReport,
    /// Parts of an initrd that was joined from several files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub initrd_parts: Vec<InitrdPart>,
    /// Changes of the command lines: reused, removed, replaced and added parameters.
    pub cmdline_changes: Vec<CmdlineChange>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// Segments passed to the system call.
    pub kernel_segments: Vec<KernelSegmentReport>,
}

/// Entry state of the image.
#[derive(Clone, Debug, Serialize)]
pub struct ExitReport {
    /// For instance "multiboot2-i386".
    pub mode: &'static str,
    /// Registers with a defined value.
    pub registers: EntryRegisters,
}

/// Registers at the image's first instruction.
#[derive(Clone, Debug)]
pub struct EntryRegisters(pub Vec<(&'static str, Hex)>);

impl EntryRegisters {
    /// Returns the value of register `name`, 0 if undefined.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        let of = self.0.iter().find(|(register, _)| *register == name);
        of.map_or(0, |(_, value)| value.0)
    }

    /// The entry point: `eip`, `rip` or `pc`.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.get("eip") | self.get("rip") | self.get("pc")
    }
}

impl Serialize for EntryRegisters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// The image.
#[derive(Clone, Debug, Serialize)]
pub struct ImageReport {
    /// File name.
    pub name: String,
    /// "multiboot2", "multiboot", "linux" or "pvh".
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Container format.
    pub format: crate::image::Format,
    /// Load address.
    pub base: Hex,
    /// Link address.
    pub link_base: Hex,
    /// Memory size in bytes.
    pub size: u64,
    /// Size of the memory reserved for it, in bytes.
    pub reserved: u64,
    /// Entry point.
    pub entry: Hex,
    /// Version and features, if it is Xen.
    pub xen: Option<xen_shim::XenInfo>,
}

/// A segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentReport {
    /// See [`super::Segment`].
    pub name: String,
    /// Destination.
    pub dest: Hex,
    /// Memory size in bytes.
    pub memsz: u64,
    /// Data size in bytes; 0 for a zero-length segment.
    pub bufsz: usize,
    /// CRC-32 of the data.
    pub crc32: Hex,
    /// SHA-256 of the data, 64 hexadecimal digits, if the handoff verifies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A kernel segment.
#[derive(Clone, Debug, Serialize)]
pub struct KernelSegmentReport {
    /// Destination.
    pub dest: Hex,
    /// Memory size in bytes.
    pub memsz: u64,
    /// Data size in bytes.
    pub bufsz: usize,
    /// Names of the segments inside.
    pub names: Vec<String>,
}

/// Decisions about low memory.
#[derive(Clone, Debug, Serialize)]
pub struct LowReport {
    /// Address of Xen's trampoline; null if unknown.
    pub trampoline: Option<HexRange>,
    /// The synthetic BIOS data area; null when the machine's own is valid.
    pub fix: Option<LowFixReport>,
}

/// A synthetic BIOS data area.
#[derive(Clone, Debug, Serialize)]
pub struct LowFixReport {
    /// The page that becomes the EBDA.
    pub ebda: Hex,
    /// Base memory size, in KiB.
    pub base_kib: u16,
    /// Destination of the RSDP copy, if there is one.
    pub rsdp: Option<Hex>,
}

/// A memory range that the handoff moves.
#[derive(Clone, Debug, Serialize)]
pub struct MoveReport {
    /// Name of the segment.
    pub name: String,
    /// Load address.
    pub from: Hex,
    /// Final address.
    pub to: Hex,
    /// Size in bytes.
    pub len: u64,
}

/// The handoff.
#[derive(Clone, Debug, Serialize)]
pub struct HandoffReport {
    /// Load address.
    pub base: Hex,
    /// Memory size in bytes.
    pub size: u64,
    /// Consoles in the syntax of `--console`, joined by `+`.
    pub console: String,
    /// "halt" or "reset".
    pub on_fault: &'static str,
    /// Verification of loaded segments: "none", "crc32" or "sha256".
    pub verify: &'static str,
    /// "off", "fault-long", "fault-protected" or "xen-heap".
    pub drill: &'static str,
    /// True when watchpoints catch the image overwriting the handoff.
    pub guard: bool,
}
