//! PE images: telling what they are, for messages. None is loaded as such.

use goblin::pe::header::{COFF_MACHINE_X86_64, DosHeader, Header, machine_to_str};
use goblin::pe::section_table::SIZEOF_SECTION_TABLE;
use goblin::pe::subsystem::{
    IMAGE_SUBSYSTEM_EFI_APPLICATION, IMAGE_SUBSYSTEM_EFI_BOOT_SERVICE_DRIVER,
    IMAGE_SUBSYSTEM_EFI_RUNTIME_DRIVER,
};

/// Bytes of the PE signature and of the COFF header.
const BEFORE_OPTIONAL_HEADER: usize = 4 + 20;

/// Maximum number of sections (PE format, COFF file header).
const MAX_SECTIONS: u16 = 96;
/// Maximum length of a section's name in an image.
const NAME: usize = 8;

/// Kind of a PE image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PeKind {
    /// For a CPU other than x86-64: its name.
    Foreign(&'static str),
    /// A Linux with its initrd and command line (systemd-stub): its sections of these.
    UnifiedKernel(Vec<String>),
    /// Xen with its configuration and dom0's files (xen.efi): its sections of these.
    UnifiedXen(Vec<String>),
    /// An EFI application.
    EfiApplication,
    /// An EFI driver.
    EfiDriver,
    /// For this subsystem.
    Other(u16),
    /// Its headers cannot be read.
    Damaged,
}

/// True for a PE image: "MZ" and a PE signature where it points to.
#[must_use]
pub(super) fn is_pe(file: &[u8]) -> bool {
    DosHeader::parse(file).is_ok()
}

/// Detects the kind of a PE image.
pub(super) fn kind(file: &[u8]) -> PeKind {
    let Ok(header) = Header::parse(file) else {
        return PeKind::Damaged;
    };
    let Some(optional) = header.optional_header else {
        return PeKind::Damaged;
    };
    let coff = header.coff_header;
    if coff.machine != COFF_MACHINE_X86_64 {
        return PeKind::Foreign(machine_to_str(coff.machine));
    }
    let table = usize::try_from(header.dos_header.pe_pointer)
        .unwrap_or(usize::MAX)
        .saturating_add(BEFORE_OPTIONAL_HEADER)
        .saturating_add(coff.size_of_optional_header.into());
    let Some(sections) = section_names(file, table, coff.number_of_sections) else {
        return PeKind::Damaged;
    };
    let named = |names: &[&str]| -> Vec<String> {
        let found = sections.iter().filter(|name| names.contains(name));
        found.map(|name| (*name).to_owned()).collect()
    };
    let linux = named(&[".linux", ".initrd", ".cmdline", ".osrel", ".uname"]);
    if linux.iter().any(|name| name == ".linux") {
        return PeKind::UnifiedKernel(linux);
    }
    let xen = named(&[".config", ".kernel", ".ramdisk", ".xsm", ".ucode"]);
    if xen
        .iter()
        .any(|name| name == ".config" || name == ".kernel")
    {
        return PeKind::UnifiedXen(xen);
    }
    match optional.windows_fields.subsystem {
        IMAGE_SUBSYSTEM_EFI_APPLICATION => PeKind::EfiApplication,
        IMAGE_SUBSYSTEM_EFI_BOOT_SERVICE_DRIVER | IMAGE_SUBSYSTEM_EFI_RUNTIME_DRIVER => {
            PeKind::EfiDriver
        }
        other => PeKind::Other(other),
    }
}

/// The names of `count` sections whose headers begin at `table`; `None` if the file lacks one of them, or there are too
/// many. goblin's own list resolves names that are offsets into a string table, which objects have and images have not:
/// in a hostile file each of them can be as long as the file.
fn section_names(file: &[u8], table: usize, count: u16) -> Option<Vec<&str>> {
    if count > MAX_SECTIONS {
        return None;
    }
    let len = usize::from(count) * SIZEOF_SECTION_TABLE;
    let headers = file.get(table..table.checked_add(len)?)?;
    let names = headers.chunks_exact(SIZEOF_SECTION_TABLE).map(|header| {
        let name = header.get(..NAME).unwrap_or_default();
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(NAME);
        str::from_utf8(name.get(..end).unwrap_or_default()).unwrap_or_default()
    });
    Some(names.collect())
}

impl PeKind {
    /// The file as a noun, and what to give in its place.
    pub(super) fn describe(&self) -> (String, &'static str) {
        const KERNEL: &str = "give a kernel: Xen's xen.gz, an ELF file or a Linux bzImage";
        match self {
            Self::Foreign(machine) => (
                format!("it is a PE image for {machine}"),
                "give a kernel for x86-64",
            ),
            Self::UnifiedKernel(sections) => (
                format!(
                    "it is a unified kernel image (a PE image with {})",
                    sections.join(", ")
                ),
                "give the kernel in it, with --initrd and --cmdline; objcopy -O binary -j .linux takes it out",
            ),
            Self::UnifiedXen(sections) => (
                format!(
                    "it is a unified Xen image (a PE image, xen.efi with {})",
                    sections.join(", ")
                ),
                "give the ELF build of the same Xen (xen.gz, not xen.efi), and dom0's kernel and initrd with --module",
            ),
            Self::EfiApplication => (
                "it is a PE image (an EFI application)".into(),
                "give the ELF build of the same kernel (xen.gz, not xen.efi)",
            ),
            Self::EfiDriver => ("it is a PE image (an EFI driver)".into(), KERNEL),
            Self::Other(subsystem) => (format!("it is a PE image (subsystem {subsystem})"), KERNEL),
            Self::Damaged => (
                "it is a PE image whose headers are damaged".into(),
                "give the ELF build of the same kernel (xen.gz, not xen.efi)",
            ),
        }
    }
}

#[cfg(test)]
#[path = "tests/pe.rs"]
mod tests;
