//! Command line of QEMU.

use std::process::Command;

use anyhow::Result;

use crate::assets::QEMU;
use crate::rootfs::Program;

/// Returns a command for `qemu-system-x86_64`; the caller appends the machine.
///
/// A fetched QEMU runs from its private tree: with the tree's own dynamic linker, libraries, modules and firmware, so
/// that it does not depend on the system's packages.
pub fn command() -> Result<Command> {
    let mut command = Program::of(&QEMU)?.command();
    if let Some(root) = &QEMU.find()?.root {
        command.env(
            "QEMU_MODULE_DIR",
            root.join("usr/lib/x86_64-linux-gnu/qemu"),
        );
        for firmware in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
            command.arg("-L").arg(root.join(firmware));
        }
    }
    Ok(command)
}
