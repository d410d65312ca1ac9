//! How to start QEMU from wherever it was found.

use std::process::Command;

use anyhow::Result;

use crate::assets::QEMU;

/// A command that starts `qemu-system-x86_64`; the caller appends the machine.
///
/// A fetched QEMU runs from its private tree: with the tree's own dynamic linker, libraries, modules and firmware, so
/// that it does not depend on what the system has.
pub fn command() -> Result<Command> {
    let found = QEMU.find()?;
    let Some(root) = &found.root else {
        return Ok(Command::new(&found.path));
    };
    let lib = root.join("lib/x86_64-linux-gnu");
    let usr_lib = root.join("usr/lib/x86_64-linux-gnu");
    let mut libraries = lib.clone().into_os_string();
    libraries.push(":");
    libraries.push(&usr_lib);

    let mut command = Command::new(usr_lib.join("ld-linux-x86-64.so.2"));
    command
        .env_remove("LD_PRELOAD")
        .env_remove("LD_LIBRARY_PATH")
        .env("QEMU_MODULE_DIR", usr_lib.join("qemu"))
        .args(["--inhibit-cache", "--library-path"])
        .arg(libraries)
        .arg(&found.path);
    for firmware in ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"] {
        command.arg("-L").arg(root.join(firmware));
    }
    Ok(command)
}
