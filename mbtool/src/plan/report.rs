//! The document that `plan --json` prints, and the table that `plan` prints.
//!
//! docs/plan-json.md describes every field. Addresses are strings ("0x1000"),
//! sizes are numbers; `memory_map`, `low_memory` and `crash_regions` have the
//! form of [`crate::host::Host`], so that a plan is also a recorded machine.

pub(super) mod assemble;
mod fixup;
pub mod svg;
pub(super) mod table;
mod text;

pub use super::hex::{Hex, HexRange};
pub use fixup::FixupReport;
pub use text::{console_text, consoles_text, drill_text, on_fault_text, verify_text};

use super::boot::Sent;
use crate::host::boot_facts::BootFacts;
use crate::host::crash_notes::CrashInfo;
use crate::host::xen::XenHost;
use crate::host::{CrashRegion, Entry, LowMemory};
use serde::{Serialize, Serializer};

/// Raised with every incompatible change of the document.
pub const FORMAT: u32 = 2;

/// What `plan --json` prints; see docs/plan-json.md.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// True for a crash image.
    pub crash: bool,
    /// Where the old kernel jumps: the handoff.
    pub entry: Hex,
    /// How the handoff enters the image.
    pub exit: ExitReport,
    /// The image.
    pub image: ImageReport,
    /// Named segments, by address.
    pub segments: Vec<SegmentReport>,
    /// Boot information as sent; for Multiboot2 the key is `mbi`.
    #[serde(flatten)]
    pub boot: Sent,
    /// The machine's memory, as the planner knew it.
    pub memory_map: Vec<Entry>,
    /// RAM that Linux shares with EFI, see [`crate::host::Host::efi_ram`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub efi_ram: Vec<Entry>,
    /// RAM that drivers have added, see [`crate::host::Host::added_ram`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub added_ram: Vec<Entry>,
    /// What was found in low memory.
    pub low_memory: LowMemory,
    /// Crash regions of the running kernel.
    pub crash_regions: Vec<CrashRegion>,
    /// The Xen below, in a dom0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xen: Option<XenHost>,
    /// For Linux: the facts of the running machine that it is told of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot_facts: Option<BootFacts>,
    /// For a crash image that makes a dump: what the running system leaves for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dump: Option<CrashInfo>,
    /// What Xen needs below 1 MiB; null for other images.
    pub xen_low_memory: Option<LowReport>,
    /// What the handoff stores and copies just before the jump, in order.
    pub fixups: Vec<FixupReport>,
    /// What the handoff moves, after verification and before `fixups`, in order.
    pub moves: Vec<MoveReport>,
    /// What the handoff clears, after `moves`.
    pub clear: Vec<HexRange>,
    /// The handoff.
    pub handoff: HandoffReport,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// What the system call gets.
    pub kernel_segments: Vec<KernelSegmentReport>,
}

/// The jump.
#[derive(Clone, Debug, Serialize)]
pub struct ExitReport {
    /// "multiboot2-i386" and the like.
    pub mode: &'static str,
    /// Registers that carry something.
    pub registers: Registers,
}

/// Registers at the image's first instruction.
#[derive(Clone, Debug)]
pub struct Registers(pub Vec<(&'static str, Hex)>);

impl Registers {
    /// Value of register `name`, 0 where it carries nothing.
    #[must_use]
    pub fn get(&self, name: &str) -> u64 {
        let of = self.0.iter().find(|(register, _)| *register == name);
        of.map_or(0, |(_, value)| value.0)
    }

    /// The entry point: `eip` or `rip`.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.get("eip") | self.get("rip")
    }
}

impl Serialize for Registers {
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
    /// Container.
    pub format: crate::image::Format,
    /// Where it starts.
    pub base: Hex,
    /// Where it was linked to start.
    pub link_base: Hex,
    /// Bytes of memory it occupies.
    pub size: u64,
    /// Bytes of memory kept for it.
    pub reserved: u64,
    /// Entry point.
    pub entry: Hex,
    /// What it says of itself, if it is Xen.
    pub xen: Option<xen_shim::XenInfo>,
}

/// A segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentReport {
    /// See [`super::Segment`].
    pub name: String,
    /// Where.
    pub dest: Hex,
    /// Bytes of memory.
    pub memsz: u64,
    /// Bytes of data; 0 for a claim.
    pub bufsz: usize,
    /// Of the data.
    pub crc32: Hex,
    /// Of the data, 64 hexadecimal digits, where the handoff verifies it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A kernel segment.
#[derive(Clone, Debug, Serialize)]
pub struct KernelSegmentReport {
    /// Where.
    pub dest: Hex,
    /// Bytes of memory.
    pub memsz: u64,
    /// Bytes of data.
    pub bufsz: usize,
    /// Segments inside.
    pub names: Vec<String>,
}

/// Decisions about low memory.
#[derive(Clone, Debug, Serialize)]
pub struct LowReport {
    /// Where Xen will put its trampoline; null when that cannot be known.
    pub trampoline: Option<HexRange>,
    /// The made-up BIOS data area; null when the machine's own is good.
    pub fix: Option<LowFixReport>,
}

/// A made-up BIOS data area.
#[derive(Clone, Debug, Serialize)]
pub struct LowFixReport {
    /// The page that becomes the EBDA.
    pub ebda: Hex,
    /// Base memory claimed, in KiB.
    pub base_kib: u16,
    /// Where the RSDP is copied to, if there is one.
    pub rsdp: Option<Hex>,
}

/// Memory that the handoff moves.
#[derive(Clone, Debug, Serialize)]
pub struct MoveReport {
    /// The segment.
    pub name: String,
    /// Where it is loaded.
    pub from: Hex,
    /// Where it goes.
    pub to: Hex,
    /// Bytes.
    pub len: u64,
}

/// The handoff.
#[derive(Clone, Debug, Serialize)]
pub struct HandoffReport {
    /// Where it is.
    pub base: Hex,
    /// Bytes of memory.
    pub size: u64,
    /// As `--console` takes it: several are joined by `+`.
    pub console: String,
    /// "halt" or "reset".
    pub on_fault: &'static str,
    /// How every loaded segment is verified: "none", "crc32" or "sha256".
    pub verify: &'static str,
    /// "off", "fault-long", "fault-protected" or "xen-heap".
    pub drill: &'static str,
    /// True when watchpoints catch the image overwriting the handoff.
    pub guard: bool,
}
