//! The document that `plan --json` prints, and the table that `plan` prints.
//!
//! docs/plan-json.md describes every field. Addresses are strings ("0x1000"),
//! sizes are numbers; `memory_map`, `low_memory` and `crash_regions` have the
//! form of [`crate::memory::Host`], so that a plan is also a recorded machine.

use super::boot::Sent;
use crate::crash::Facts;
use crate::memory::boot_facts::BootFacts;
use crate::memory::xen::XenHost;
use crate::memory::{CrashRegion, Entry, LowMemory};
use handoff::addr::PhysRange;
use handoff::spec::{Console, Drill, Fixup, OnCpu, OnFault, Verify};
use serde::{Serialize, Serializer};
use std::fmt;

/// Raised with every incompatible change of the document.
pub const FORMAT: u32 = 2;

/// An address, or another number that is read as hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex(pub u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A half-open range.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HexRange {
    /// First byte.
    pub start: Hex,
    /// One past the last byte.
    pub end: Hex,
}

impl From<PhysRange> for HexRange {
    fn from(range: PhysRange) -> Self {
        Self {
            start: Hex(range.start),
            end: Hex(range.end),
        }
    }
}

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
    pub dump: Option<Facts>,
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

/// A change that the handoff makes.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum FixupReport {
    /// A 16-bit store.
    Store16 {
        /// Where.
        addr: Hex,
        /// What.
        value: Hex,
    },
    /// A checked copy of the RSDP.
    CopyRsdp {
        /// Source.
        from: Hex,
        /// Destination.
        to: Hex,
        /// Bytes.
        len: u32,
        /// "boot-cpu" or "other-cpu": only where the handoff runs there.
        #[serde(skip_serializing_if = "Option::is_none")]
        on: Option<&'static str>,
    },
    /// Zeroes.
    Zero {
        /// Where.
        addr: Hex,
        /// Bytes.
        len: u64,
    },
}

impl From<Fixup> for FixupReport {
    fn from(fixup: Fixup) -> Self {
        match fixup {
            Fixup::Store16 { addr, value } => Self::Store16 {
                addr: Hex(addr),
                value: Hex(value.into()),
            },
            Fixup::CopyRsdp { from, to, len, on } => Self::CopyRsdp {
                from: Hex(from),
                to: Hex(to),
                len,
                on: match on {
                    OnCpu::Any => None,
                    OnCpu::Boot => Some("boot-cpu"),
                    OnCpu::Other => Some("other-cpu"),
                },
            },
            Fixup::Zero { addr, len } => Self::Zero {
                addr: Hex(addr),
                len,
            },
        }
    }
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

/// `consoles` as `--console` takes them.
#[must_use]
pub fn consoles_text(consoles: &[Console]) -> String {
    if consoles.is_empty() {
        return "none".to_owned();
    }
    let each: Vec<String> = consoles.iter().map(console_text).collect();
    each.join("+")
}

/// `console` as `--console` takes it.
#[must_use]
pub fn console_text(console: &Console) -> String {
    let baud = |divisor: Option<u16>| {
        let divisor = divisor.filter(|divisor| *divisor != 0)?;
        Some(115_200 / u32::from(divisor))
    };
    match *console {
        Console::Pio { port, divisor } => match baud(divisor) {
            None => format!("pio:{port:#x}"),
            Some(baud) => format!("pio:{port:#x},{baud}"),
        },
        Console::Mmio {
            addr,
            stride,
            width,
            divisor,
        } => {
            let baud = baud(divisor).map_or_else(String::new, |baud| format!(",baud={baud}"));
            format!("mmio:{addr:#x},stride={stride},width={width}{baud}")
        }
        Console::Debugcon { port } => format!("debugcon:{port:#x}"),
        Console::RamLog { addr, size } => format!("ramlog:{addr:#x},size={size:#x}"),
    }
}

/// `on_fault` as `--on-fault` takes it.
#[must_use]
pub const fn on_fault_text(on_fault: OnFault) -> &'static str {
    match on_fault {
        OnFault::Halt => "halt",
        OnFault::Reset => "reset",
    }
}

/// `verify` as `--verify` takes it.
#[must_use]
pub const fn verify_text(verify: Verify) -> &'static str {
    match verify {
        Verify::None => "none",
        Verify::Crc32 => "crc32",
        Verify::Sha256 => "sha256",
    }
}

/// Name of `drill`.
#[must_use]
pub const fn drill_text(drill: Drill) -> &'static str {
    match drill {
        Drill::Off => "off",
        Drill::FaultLong => "fault-long",
        Drill::FaultProtected => "fault-protected",
        Drill::Call(_) => "call",
    }
}
