//! First lines of firmware and boot loaders: they follow a reset.

use crate::decode::log_line::LogLine;
use crate::decode::text_set::{TextSet, starts_with};
use std::sync::LazyLock;

/// Program and the start of its line.
const STARTS: &[(&str, &str)] = &[
    ("SeaBIOS", "SeaBIOS (version"),
    ("SeaBIOS", "Booting from Hard Disk"),
    ("SeaBIOS", "Booting from DVD/CD"),
    ("SeaBIOS", "Booting from ROM"),
    ("SeaBIOS", "Booting from 0000:7c00"),
    ("UEFI firmware", "BdsDxe: "),
    ("UEFI firmware", "UEFI firmware"),
    ("UEFI firmware", "PROGRESS CODE: "),
    ("UEFI firmware", "SecCoreStartupWithStack("),
    ("UEFI firmware", "UEFI Interactive Shell"),
    ("UEFI firmware", ">>Start PXE"),
    ("UEFI firmware", ">>Start HTTP"),
    ("GRUB", "Welcome to GRUB"),
    ("GRUB", "GRUB loading"),
    ("GRUB", "GRUB Loading"),
    ("GRUB", "GNU GRUB "),
    ("iPXE", "iPXE "),
    ("coreboot", "coreboot-"),
    ("SYSLINUX", "ISOLINUX "),
    ("SYSLINUX", "SYSLINUX "),
    ("SYSLINUX", "EXTLINUX "),
    ("SYSLINUX", "PXELINUX "),
    ("systemd-boot", "systemd-boot "),
    ("U-Boot", "U-Boot 2"),
    ("U-Boot", "U-Boot SPL"),
    ("Trusted Firmware", "NOTICE:  Booting Trusted Firmware"),
    ("Trusted Firmware", "NOTICE:  BL1: "),
    ("Trusted Firmware", "NOTICE:  BL2: "),
];

/// Lines that are found behind the half line of another program too.
const ANYWHERE: &[(&str, &str)] = &[
    ("SeaBIOS", "SeaBIOS (version "),
    ("UEFI firmware", "BdsDxe: loading Boot"),
    ("UEFI firmware", "BdsDxe: starting Boot"),
];

static INSIDE: LazyLock<TextSet> =
    LazyLock::new(|| TextSet::new(ANYWHERE.iter().map(|(_, part)| *part)));

/// The firmware or boot loader that prints a line.
pub(super) fn printer(line: &LogLine<'_>) -> Option<&'static str> {
    if line.of_kernel() {
        return None;
    }
    // coreboot's log level
    let text = line.body;
    let text = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((level, rest)) if level.len() == 5 => rest.trim_start(),
        _ => text,
    };
    let start = STARTS.iter().find(|(_, start)| starts_with(text, start));
    let anywhere = || {
        let may_be = INSIDE.may_be_in(text);
        let part = |(_, part): &&(&str, &str)| may_be && text.contains(part);
        ANYWHERE.iter().find(part)
    };
    let found = start.or_else(anywhere);
    found.map(|(name, _)| *name)
}
