//! Reader of the report of `payload/mb2`.
//!
//! All addresses are physical and all sizes in bytes, unless noted.

mod multiboot1;
mod multiboot2;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

pub use multiboot1::{Module1, Multiboot1, Sections1};
pub use multiboot2::{MbiReport, Tag, TagBody};

/// Supported version of the format.
pub const FORMAT: u64 = 1;
/// Prefix of the two lines that a payload prints.
pub const MARKER: &str = "MBTOOL-PAYLOAD ";
/// EAX under Multiboot2 (specification 3.3).
pub const MULTIBOOT2_MAGIC: u64 = 0x36d7_6289;

/// EAX under Multiboot (specification 0.6.96, 3.2).
pub const MULTIBOOT1_MAGIC: u64 = 0x2bad_b002;

/// A whole report.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadReport {
    /// Version of the layout.
    pub format: u64,
    /// Name of the image, see [`crate::payloads::REPORTING`].
    pub variant: String,
    /// Address of the first byte of the image.
    pub load_base: u64,
    /// Virtual link address.
    pub link_base: u64,
    /// Physical link address.
    pub link_base_physical: u64,
    /// Checks of the loaded bytes.
    pub image: ImageChecks,
    /// State of `.bss` before the payload used it.
    pub bss: Bss,
    /// Registers at entry.
    pub registers: Registers,
    /// Firmware data below 1 MiB.
    pub firmware: FirmwareData,
    /// The boot information; `None` when EAX was not [`MULTIBOOT2_MAGIC`].
    pub mbi: Option<MbiReport>,
    /// The information structure; `None` when EAX was not [`MULTIBOOT1_MAGIC`].
    pub multiboot1: Option<Multiboot1>,
}

/// Checks of the loaded bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageChecks {
    /// True when code, constants and initialized data have the digest of the
    /// build.
    pub sha256_valid: bool,
    /// The absolute pointers in the image.
    pub pointers: Pointers,
}

/// Number of absolute pointers by value. The sum is 32.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pointers {
    /// Run-time address of the target.
    pub relocated: u64,
    /// Link-time address of the target.
    pub linked: u64,
    /// Any other value.
    pub wrong: u64,
}

/// State of `.bss` before the payload used it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bss {
    /// Address.
    pub start: u64,
    /// Size.
    pub bytes: u64,
    /// Address of the first 32-bit word that was not zero.
    pub first_dirty: Option<u64>,
}

/// Registers at entry. Only the control flags of `eflags` are valid: saving the
/// others needs a register, and none is guaranteed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are the documentation")]
pub struct Registers {
    pub eax: u64,
    pub ebx: u64,
    pub ecx: u64,
    pub edx: u64,
    pub esi: u64,
    pub edi: u64,
    pub ebp: u64,
    pub esp: u64,
    pub eflags: u64,
    pub cs: u64,
    pub ds: u64,
    pub es: u64,
    pub fs: u64,
    pub gs: u64,
    pub ss: u64,
    pub cr0: u64,
    pub cr2: u64,
    pub cr3: u64,
    pub cr4: u64,
    pub dr7: u64,
    pub gdt_base: u64,
    pub gdt_limit: u64,
    pub idt_base: u64,
    pub idt_limit: u64,
    pub ldt: u64,
    pub tr: u64,
    pub efer: u64,
}

/// Firmware data below 1 MiB.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareData {
    /// Word at 0x40e: segment of the extended BIOS data area.
    pub ebda_segment: u64,
    /// Word at 0x413: conventional memory in KiB.
    pub base_memory_kib: u64,
    /// Address of an ACPI root pointer with a valid checksum, searched as in
    /// the ACPI specification (first KiB of the EBDA, 0xe0000-0xfffff).
    pub rsdp: Option<u64>,
}

/// An entry of the memory map.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MmapEntry {
    /// First byte.
    pub base: u64,
    /// Bytes.
    pub length: u64,
    /// Type number: 1 RAM, 2 reserved, 3 ACPI, 4 NVS, 5 unusable.
    pub r#type: u32,
}

impl PayloadReport {
    /// Finds the report in the serial output.
    ///
    /// # Errors
    ///
    /// Names the line that is missing, duplicated, or not valid JSON.
    pub fn parse(serial: &str) -> Result<Self> {
        let mut lines = serial
            .lines()
            .filter_map(|line| line.trim_end().strip_prefix(MARKER));
        let Some(json) = lines.next() else {
            bail!("no line begins with {MARKER:?}");
        };
        let end = lines.next();
        ensure!(
            end == Some("END"),
            "expected {MARKER:?}END after the report, found {end:?}"
        );
        if let Some(more) = lines.next() {
            bail!("a second payload ran: {more:?}");
        }
        let report: Self = serde_json::from_str(json)
            .with_context(|| format!("the payload's report is not what was expected: {json}"))?;
        let found = report.format;
        ensure!(found == FORMAT, "report format {found}, expected {FORMAT}");
        Ok(report)
    }
}
