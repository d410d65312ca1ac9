//! PE images: kernels, boot loaders and other programs for EFI.

use super::machine::FileMachine;
use crate::abi::kernel_image::{LINUX_PE_MAGIC, ZbootStart};
use crate::image::bytes::read_at;
use crate::image::linux::zboot_header;
use crate::image::pe::{self, PeHeaders};
use goblin::pe::subsystem::{
    IMAGE_SUBSYSTEM_EFI_APPLICATION, IMAGE_SUBSYSTEM_EFI_BOOT_SERVICE_DRIVER,
    IMAGE_SUBSYSTEM_EFI_RUNTIME_DRIVER,
};
use memchr::memmem;
use std::fmt;

/// Sections of a unified kernel image (UAPI.5); the first is the one that it must have.
pub(in crate::image) const UNIFIED_KERNEL: [&str; 8] = [
    ".linux", ".initrd", ".cmdline", ".ucode", ".osrel", ".uname", ".dtb", ".profile",
];
/// Sections of a unified Xen image (Xen, docs/misc/efi.pandoc).
pub(in crate::image) const UNIFIED_XEN: [&str; 5] =
    [".config", ".kernel", ".ramdisk", ".xsm", ".ucode"];
/// Maximum length of the name of a program, in characters.
const PROGRAM: usize = 32;
/// Maximum part of a section in which the name is searched, in bytes.
const SBAT: usize = 4096;

/// A PE image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeFile {
    /// CPU; `None` when its headers are damaged.
    pub machine: Option<FileMachine>,
    /// What it is for.
    pub role: PeRole,
}

/// What a PE image is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeRole {
    /// A Linux with its initrd and command line (UAPI.5, systemd-stub): its sections of these.
    UnifiedKernel(Vec<String>),
    /// Initrd or command line for a unified kernel image, without a kernel: its sections of these.
    KernelAddon(Vec<String>),
    /// Xen with its configuration and dom0's files: its sections of these.
    UnifiedXen(Vec<String>),
    /// Xen (xen.efi).
    Xen,
    /// A compressed Linux that EFI starts (vmlinuz.efi, "EFI zboot"): its compression.
    Zboot(String),
    /// Linux with an EFI stub.
    Linux,
    /// An EFI application: its name, if it has one.
    Application(Option<String>),
    /// An EFI driver.
    Driver,
    /// For this subsystem.
    Other(u16),
    /// Its headers cannot be read.
    Damaged,
}

impl PeFile {
    /// Describes a PE image.
    pub(super) fn of(file: &[u8]) -> Self {
        if let Some(compression) = zboot(file) {
            let machine = pe::coff(file).map(|(coff, _)| FileMachine::of_pe(coff.machine));
            let role = PeRole::Zboot(compression);
            return Self { machine, role };
        }
        let Some(headers) = PeHeaders::read(file) else {
            return Self {
                machine: None,
                role: PeRole::Damaged,
            };
        };
        Self {
            machine: Some(FileMachine::of_pe(headers.machine)),
            role: role(file, &headers),
        }
    }

    /// What to do with it where it cannot be loaded.
    pub(super) fn advice(&self) -> &'static str {
        if self.machine.is_some_and(|machine| !machine.is_ours()) {
            return super::OTHER_MACHINE;
        }
        match &self.role {
            PeRole::UnifiedKernel(_) => "leave out --type, or give --type linux",
            PeRole::KernelAddon(_) => "give the unified kernel image that it belongs to",
            PeRole::UnifiedXen(_) | PeRole::Xen => "leave out --type, or give --type multiboot2",
            PeRole::Zboot(_) | PeRole::Linux => "give the bzImage (vmlinuz) of the same kernel",
            PeRole::Application(_) | PeRole::Driver => {
                "it needs EFI's boot services, which ended when the running kernel started: start it from the firmware"
            }
            PeRole::Other(_) => super::KERNEL,
            PeRole::Damaged => super::COPY_AGAIN,
        }
    }

    /// Its name in JSON.
    pub(super) const fn name(&self) -> &'static str {
        match self.role {
            PeRole::UnifiedKernel(_) => "unified-kernel",
            PeRole::KernelAddon(_) => "unified-kernel-addon",
            PeRole::UnifiedXen(_) => "unified-xen",
            PeRole::Xen => "xen-efi",
            PeRole::Zboot(_) => "efi-zboot",
            PeRole::Linux => "linux-efi",
            PeRole::Application(_) => "efi-application",
            PeRole::Driver => "efi-driver",
            PeRole::Other(_) => "pe",
            PeRole::Damaged => "pe-damaged",
        }
    }
}

fn role(file: &[u8], headers: &PeHeaders<'_>) -> PeRole {
    let named = |names: &[&str]| -> Vec<String> {
        let names = names.iter().filter(|name| headers.section(name).is_some());
        names.map(|name| (*name).to_owned()).collect()
    };
    let has = |name| headers.section(name).is_some();
    if has(".linux") {
        return PeRole::UnifiedKernel(named(&UNIFIED_KERNEL));
    }
    if has(".config") || has(".kernel") {
        return PeRole::UnifiedXen(named(&UNIFIED_XEN));
    }
    match headers.subsystem {
        IMAGE_SUBSYSTEM_EFI_APPLICATION if is_xen(file) => PeRole::Xen,
        IMAGE_SUBSYSTEM_EFI_APPLICATION if is_linux(file) => PeRole::Linux,
        IMAGE_SUBSYSTEM_EFI_APPLICATION
            if [".cmdline", ".initrd", ".ucode", ".dtb"]
                .iter()
                .any(|name| has(name)) =>
        {
            PeRole::KernelAddon(named(&UNIFIED_KERNEL))
        }
        IMAGE_SUBSYSTEM_EFI_APPLICATION => PeRole::Application(program(file, headers)),
        IMAGE_SUBSYSTEM_EFI_BOOT_SERVICE_DRIVER | IMAGE_SUBSYSTEM_EFI_RUNTIME_DRIVER => {
            PeRole::Driver
        }
        other => PeRole::Other(other),
    }
}

/// The compression of an EFI zboot image.
fn zboot(file: &[u8]) -> Option<String> {
    zboot_header(file).map(|start| printable(start.compression_name()))
}

/// True for Xen for x86-64 or arm64.
fn is_xen(file: &[u8]) -> bool {
    let found = xen_shim::recognize(file);
    found.or_else(|| xen_shim::arm::recognize(file)).is_some()
}

/// True for Linux's mark in the DOS header, or the headers of its uncompressed `Image`.
fn is_linux(file: &[u8]) -> bool {
    let start: Option<ZbootStart> = read_at(file, 0);
    start.is_some_and(|start| start.linux_magic == LINUX_PE_MAGIC)
        || super::bare_image(file).is_some()
}

/// The name of an EFI application: that of its component in `.sbat`, or iPXE by the address in its messages.
fn program(file: &[u8], headers: &PeHeaders<'_>) -> Option<String> {
    let sbat = headers.section(".sbat").and_then(|section| section.data);
    let sbat = sbat.and_then(|text| {
        let text = text.get(..text.len().min(SBAT)).unwrap_or_default();
        // a line per component, the first is the format's own
        let line = text.split(|byte| *byte == b'\n').nth(1)?;
        let name = line.split(|byte| *byte == b',').next()?;
        Some(printable(name)).filter(|name| !name.is_empty())
    });
    let ipxe = || memmem::find(file, b"ipxe.org").map(|_| "iPXE".to_owned());
    sbat.or_else(ipxe)
}

/// The start of a name in a file, without characters that a terminal obeys.
fn printable(name: &[u8]) -> String {
    let name = name.iter().take(PROGRAM).map(|byte| char::from(*byte));
    name.filter(char::is_ascii_graphic).collect()
}

impl fmt::Display for PeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pe = String::from("a PE image");
        if let Some(machine) = self.machine {
            pe.push_str(&format!(" for {machine}"));
        }
        match &self.role {
            PeRole::UnifiedKernel(sections) => {
                write!(
                    f,
                    "a unified kernel image ({pe} with {})",
                    sections.join(", ")
                )
            }
            PeRole::KernelAddon(sections) => write!(
                f,
                "an addon of a unified kernel image ({pe} with {} and without .linux)",
                sections.join(", ")
            ),
            PeRole::UnifiedXen(sections) => {
                write!(
                    f,
                    "a unified Xen image ({pe}, xen.efi with {})",
                    sections.join(", ")
                )
            }
            PeRole::Xen => write!(f, "xen.efi ({pe})"),
            PeRole::Zboot(compression) => {
                write!(
                    f,
                    "Linux as an EFI zboot image ({pe}, {compression} inside)"
                )
            }
            PeRole::Linux => write!(f, "Linux with an EFI stub ({pe})"),
            PeRole::Application(None) => write!(f, "an EFI application ({pe})"),
            PeRole::Application(Some(name)) => write!(f, "an EFI application, {name} ({pe})"),
            PeRole::Driver => write!(f, "an EFI driver ({pe})"),
            PeRole::Other(subsystem) => write!(f, "{pe} for subsystem {subsystem}"),
            PeRole::Damaged => f.write_str("a PE image whose headers are damaged"),
        }
    }
}
