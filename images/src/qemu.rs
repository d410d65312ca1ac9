//! Command line of QEMU.

use std::process::Command;

use anyhow::Result;

use crate::assets::{Asset, QEMU, QEMU_ARM, QEMU_ARM64, QEMU_RISCV64};
use crate::rootfs::Program;

/// Directories of firmware in the tree of a QEMU.
const FIRMWARE: [&str; 3] = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];

/// Returns a command for `qemu-system-x86_64`; the caller appends the machine.
///
/// A fetched QEMU runs from its private tree: with the tree's own dynamic linker, libraries, modules and firmware, so
/// that it does not depend on the system's packages.
pub fn command() -> Result<Command> {
    of(&QEMU)
}

/// Returns a command for `qemu-system-riscv64`; as [`command`].
pub fn riscv64() -> Result<Command> {
    of(&QEMU_RISCV64)
}

/// Returns a command for `qemu-system-aarch64`; as [`command`].
pub fn arm64() -> Result<Command> {
    of(&QEMU_ARM64)
}

/// Returns a command for `qemu-system-arm`; as [`command`].
pub fn arm() -> Result<Command> {
    of(&QEMU_ARM)
}

/// Returns a command for the emulator `qemu`; as [`command`].
pub fn of(qemu: &'static Asset) -> Result<Command> {
    let mut command = Program::of(qemu)?.command();
    if let Some(root) = &qemu.find()?.root {
        command.env(
            "QEMU_MODULE_DIR",
            root.join("usr/lib/x86_64-linux-gnu/qemu"),
        );
        for firmware in FIRMWARE {
            let directory = root.join(firmware);
            if directory.is_dir() {
                command.arg("-L").arg(directory);
            }
        }
    }
    Ok(command)
}
