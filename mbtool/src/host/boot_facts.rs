//! Boot parameters of the running Linux that its successor needs: screen, BIOS
//! disks, EFI runtime services.
//!
//! /sys/kernel/boot_params/data is the running kernel's `struct boot_params`
//! (Linux, Documentation/ABI/testing/sysfs-kernel-boot_params, offsets in
//! Documentation/arch/x86/zero-page.rst). A Xen PV dom0 derives its own from
//! Xen's data: screen and disks are valid there, and EFI is Xen's own.

use super::smbios::{self, Smbios};
use super::{efi, screen};
use crate::abi::boot_params::{EL64, EfiInfo, LinuxBootParams, ScreenInfo};
use crate::sys::file;
use crate::sys::hex_bytes;
use crate::sys::number;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fs;
use std::mem::offset_of;
use std::path::Path;
use zerocopy::{FromBytes, IntoBytes};

/// Types of screen that are memory.
const FRAMEBUFFERS: [u8; 2] = [screen::VESA, screen::EFI];
/// Offset of the screen's type.
const SCREEN_TYPE: usize = offset_of!(ScreenInfo, orig_video_is_vga);
/// Drivers that keep the mode set by firmware: names of framebuffers (of DRM with "drmfb", 15 bytes
/// at most), of DRM drivers, and of platform drivers, under which several of them are registered.
const FIRMWARE_DRIVERS: [&str; 14] = [
    "EFI VGA",
    "VESA VGA",
    "simple",
    "simpledrm",
    "simpledrmdrmfb",
    "efidrm",
    "efidrmdrmfb",
    "vesadrm",
    "vesadrmdrmfb",
    "ofdrm",
    "ofdrmdrmfb",
    "efi-framebuffer",
    "vesa-framebuffer",
    "simple-framebuffer",
];

/// Digits of the longest item, an SMBIOS table.
const MOST_DIGITS: usize = 0x2_0000;

/// Bytes, as hexadecimal digits in JSON; trailing zeros are omitted by [`Raw::new`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

impl Raw {
    /// `bytes` without trailing zeros.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let end = bytes.iter().rposition(|byte| *byte != 0);
        Self(bytes[..end.map_or(0, |at| at + 1)].to_vec())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex_bytes::digits(&self.0))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let bytes = match digits.len() {
            0..=MOST_DIGITS => hex_bytes::parse(&digits),
            _ => None,
        };
        bytes.map(Self).ok_or_else(|| {
            serde::de::Error::custom("expected pairs of hexadecimal digits, 131072 at most")
        })
    }
}

/// Facts of the running machine that are passed to the image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BootFacts {
    /// `screen_info` of the running kernel; empty if unknown.
    pub screen: Raw,
    /// Name of the current framebuffer device or graphics driver; `None` if
    /// there is none.
    pub screen_driver: Option<String>,
    /// `edid_info` of the monitor.
    pub edid: Raw,
    /// BIOS disks, EDD 3.0: the entries of `eddbuf`, 82 bytes each.
    pub edd: Vec<Raw>,
    /// MBR signatures of BIOS disks.
    pub mbr_signatures: Vec<u32>,
    /// `secure_boot` (1 unknown, 2 off, 3 on); 0 without EFI.
    pub secure_boot: u8,
    /// True when the running kernel uses page tables of five levels.
    pub five_level_paging: bool,
    /// EFI runtime services, if the running kernel uses them.
    pub efi: Option<Efi>,
    /// SMBIOS; `None` if the machine has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smbios: Option<Smbios>,
}

/// Data for another kernel to use EFI runtime services, whose virtual addresses
/// can be assigned only once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Efi {
    /// Physical address of the system table.
    pub systab: u64,
    /// Physical address of the vendor string.
    pub fw_vendor: u64,
    /// Physical address of the runtime services table; 0 if unknown: a kernel
    /// that was itself started by kexec knows and reports only its virtual
    /// address.
    #[serde(default)]
    pub runtime: u64,
    /// Physical address of the configuration tables.
    pub config_table: u64,
    /// Physical address of the SMBIOS entry point (2.x); 0 where there is none.
    #[serde(default)]
    pub smbios: u64,
    /// The runtime regions with their virtual addresses.
    pub runtime_map: Vec<efi::Runtime>,
}

impl BootFacts {
    /// Returns the facts that are passed to a Multiboot image.
    #[must_use]
    pub fn for_multiboot(&self) -> Self {
        Self {
            screen: self.screen.clone(),
            screen_driver: self.screen_driver.clone(),
            smbios: self.smbios.clone(),
            ..Self::default()
        }
    }

    /// True when the screen is memory that firmware set up.
    #[must_use]
    pub fn framebuffer(&self) -> bool {
        let kind = self.screen.0.get(SCREEN_TYPE);
        kind.is_some_and(|kind| FRAMEBUFFERS.contains(kind))
    }

    /// Returns the driver that changed the mode set by firmware.
    #[must_use]
    pub fn foreign_driver(&self) -> Option<&str> {
        let driver = self.screen_driver.as_deref()?;
        (!FIRMWARE_DRIVERS.contains(&driver)).then_some(driver)
    }
}

/// Reads the facts below `root`. Missing ones stay empty, with a warning only
/// if that has consequences on this machine.
#[must_use]
pub fn read(root: &Path, warnings: &mut Vec<String>) -> BootFacts {
    let path = root.join("sys/kernel/boot_params/data");
    let without_params = BootFacts {
        smbios: smbios::read(root),
        ..BootFacts::default()
    };
    // kernels without it (and not x86) have no usable screen
    let Ok(data) = file::read_bytes(&path, file::ATTRIBUTE) else {
        return without_params;
    };
    let Ok(params) = LinuxBootParams::ref_from_bytes(&data) else {
        let len = data.len();
        warnings.push(format!("{} has {len} bytes, not 4096", path.display()));
        return without_params;
    };
    let edd = params.eddbuf.iter().take(params.eddbuf_entries.into());
    let signatures = params.edd_mbr_sig_buffer.iter();
    BootFacts {
        screen: Raw::new(params.screen_info.as_bytes()),
        screen_driver: screen_driver(root),
        edid: Raw::new(&params.edid_info),
        edd: edd.map(|disk| Raw::new(disk)).collect(),
        mbr_signatures: signatures
            .take(params.edd_mbr_sig_buf_entries.into())
            .map(|word| word.get())
            .collect(),
        secure_boot: params.secure_boot,
        five_level_paging: five_levels(root),
        efi: efi(root, &params.efi_info, warnings),
        ..without_params
    }
}

/// Returns the name of the first framebuffer device, else the driver of the
/// first graphics card with an active screen.
fn screen_driver(root: &Path) -> Option<String> {
    let name = root.join("sys/class/graphics/fb0/name");
    if let Ok(name) = file::read(&name, file::ATTRIBUTE) {
        return Some(name.trim().to_owned());
    }
    let driver = root.join("sys/class/drm/card0/device/driver");
    let target = fs::read_link(driver).ok()?;
    Some(target.file_name()?.to_string_lossy().into_owned())
}

/// The CPU flag is present only while the feature is in use.
fn five_levels(root: &Path) -> bool {
    let cpus = file::read(&root.join("proc/cpuinfo"), file::LISTING).unwrap_or_default();
    let flags = cpus.lines().find(|line| line.starts_with("flags"));
    flags.is_some_and(|flags| flags.split_whitespace().any(|flag| flag == "la57"))
}

/// Reads EFI runtime services, if the running kernel was started by a 64-bit
/// firmware (by `info`) and has them mapped.
fn efi(root: &Path, info: &EfiInfo, warnings: &mut Vec<String>) -> Option<Efi> {
    if info.loader_signature != EL64 {
        return None;
    }
    let systab = info.systab();
    let runtime_map = match efi::runtime_map(root) {
        Ok(map) if map.is_empty() => return None,
        Ok(map) => map,
        Err(err) => {
            warnings.push(format!("EFI runtime services are not passed on: {err}"));
            return None;
        }
    };
    let at = |name: &str| {
        let path = root.join("sys/firmware/efi").join(name);
        let value = file::read(&path, file::ATTRIBUTE).ok()?;
        number::parse(value.trim()).filter(|addr| *addr != 0)
    };
    let (Some(fw_vendor), Some(config_table), true) =
        (at("fw_vendor"), at("config_table"), systab != 0)
    else {
        warnings.push(
            "EFI runtime services are not passed on: /sys/firmware/efi has no fw_vendor or \
             config_table"
                .to_owned(),
        );
        return None;
    };
    Some(Efi {
        systab,
        fw_vendor,
        runtime: at("runtime")
            .filter(|addr| runtime_map.iter().any(|region| region.has(*addr)))
            .unwrap_or(0),
        config_table,
        smbios: efi::table(root, "SMBIOS").unwrap_or(0),
        runtime_map,
    })
}

#[cfg(test)]
#[path = "boot_facts_tests.rs"]
mod tests;
