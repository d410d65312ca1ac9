//! All assets.

use std::sync::OnceLock;

use anyhow::{Result, bail};

use super::asset::Asset;
use crate::debian::Packages;
use crate::store::Recipe;

/// QEMU 10.0 for x86 with all its libraries. (Before 8.1 its emulation of several CPUs sometimes
/// runs an instruction that has just been replaced: Linux crashes at an `int3` that no longer
/// exists.)
pub static QEMU: Asset = Asset {
    what: "QEMU",
    variable: "MBTOOL_QEMU",
    recipe: Recipe {
        name: "qemu",
        suite: "trixie",
        packages: Packages::Closure(&["qemu-system-x86", "seabios"]),
        keep: &[
            "lib/x86_64-linux-gnu",
            "usr/lib/x86_64-linux-gnu",
            "usr/lib/ipxe",
            "usr/bin/qemu-system-x86_64",
            "usr/share/qemu",
            "usr/share/seabios",
        ],
    },
    file: "usr/bin/qemu-system-x86_64",
    install: "qemu-system-x86 seabios (of Debian 13)",
    passed: None,
    found: OnceLock::new(),
};

/// UEFI firmware: code and variables in one image, for `-bios`.
pub static OVMF: Asset = Asset {
    what: "OVMF",
    variable: "MBTOOL_OVMF",
    recipe: Recipe {
        name: "ovmf",
        suite: "bookworm",
        packages: Packages::Single("ovmf"),
        keep: &["usr/share/ovmf/OVMF.fd"],
    },
    file: "usr/share/ovmf/OVMF.fd",
    install: "ovmf",
    passed: None,
    found: OnceLock::new(),
};

/// A static user land.
pub static BUSYBOX: Asset = Asset {
    what: "a static busybox",
    variable: "MBTOOL_BUSYBOX",
    recipe: Recipe {
        name: "busybox",
        suite: "bookworm",
        packages: Packages::Single("busybox-static"),
        keep: &["bin/busybox", "usr/bin/busybox"],
    },
    file: "bin/busybox",
    install: "busybox-static",
    passed: None,
    found: OnceLock::new(),
};

/// The kernel image, the modules that make hypercalls available to user space, and the one for EFI
/// variables.
const KERNEL_FILES: &[&str] = &[
    "boot/vmlinuz-*",
    "boot/config-*",
    "lib/modules/*/kernel/fs/efivarfs",
    "usr/lib/modules/*/kernel/fs/efivarfs",
    "lib/modules/*/kernel/drivers/xen",
    "usr/lib/modules/*/kernel/drivers/xen",
    // for a disk to save a dump to, and for watchdogs
    "lib/modules/*/kernel/crypto/crc32c_generic.ko",
    "lib/modules/*/kernel/drivers/block/virtio_blk.ko",
    "lib/modules/*/kernel/drivers/virtio/virtio*",
    "lib/modules/*/kernel/drivers/watchdog/i6300esb.ko",
    "lib/modules/*/kernel/drivers/watchdog/softdog.ko",
    "lib/modules/*/kernel/drivers/watchdog/watchdog.ko",
    "lib/modules/*/kernel/fs/ext4",
    "lib/modules/*/kernel/fs/jbd2",
    "lib/modules/*/kernel/fs/mbcache.ko",
    "lib/modules/*/kernel/lib/crc16.ko",
];

/// Linux 6.1, serial console and Xen dom0 built in (the cloud flavour cannot be a dom0).
pub static LINUX_6_1: Asset = Asset {
    what: "Linux 6.1",
    variable: "MBTOOL_LINUX_6_1",
    recipe: Recipe {
        name: "linux-6.1",
        suite: "bookworm",
        packages: Packages::DependencyOf {
            meta: "linux-image-amd64",
            prefix: "linux-image-6.1",
        },
        keep: KERNEL_FILES,
    },
    file: "boot/vmlinuz-6.1*",
    install: "linux-image-amd64 (of Debian 12)",
    passed: None,
    found: OnceLock::new(),
};

/// Linux 6.12: the last long-term series before kexec was reworked. The first system in most tests:
/// its image decompresses faster than that of 6.1.
pub static LINUX_6_12: Asset = Asset {
    what: "Linux 6.12",
    variable: "MBTOOL_LINUX_6_12",
    recipe: Recipe {
        name: "linux-6.12",
        suite: "trixie",
        packages: Packages::DependencyOf {
            meta: "linux-image-amd64",
            prefix: "linux-image-6.12",
        },
        keep: KERNEL_FILES,
    },
    file: "boot/vmlinuz-6.12*",
    install: "linux-image-amd64 (of Debian 13)",
    passed: None,
    found: OnceLock::new(),
};

/// Linux 7: its kexec loads a GDT and an IDT, as in all kernels since 6.16.
pub static LINUX_7: Asset = Asset {
    what: "Linux 7",
    variable: "MBTOOL_LINUX_7",
    recipe: Recipe {
        name: "linux-7",
        suite: "trixie-backports",
        packages: Packages::DependencyChain {
            meta: "linux-image-amd64",
            prefixes: &["linux-image-7", "linux-binary-7"],
        },
        keep: &["usr/lib/modules/*/vmlinuz"],
    },
    file: "usr/lib/modules/7*/vmlinuz",
    install: "linux-image-amd64 (of Debian 13 backports)",
    passed: Some("7.3.4"),
    found: OnceLock::new(),
};

/// Xen 4.17.
pub static XEN_4_17: Asset = Asset {
    what: "Xen 4.17",
    variable: "MBTOOL_XEN_4_17",
    recipe: Recipe {
        name: "xen-4.17",
        suite: "bookworm",
        packages: Packages::Single("xen-hypervisor-4.17-amd64"),
        keep: &["boot/xen-*"],
    },
    file: "boot/xen-4.17-amd64.gz",
    install: "xen-hypervisor-4.17-amd64 (of Debian 12)",
    passed: None,
    found: OnceLock::new(),
};

/// Xen 4.20.
pub static XEN_4_20: Asset = Asset {
    what: "Xen 4.20",
    variable: "MBTOOL_XEN_4_20",
    recipe: Recipe {
        name: "xen-4.20",
        suite: "trixie",
        packages: Packages::Single("xen-hypervisor-4.20-amd64"),
        keep: &["boot/xen-*"],
    },
    file: "boot/xen-4.20-amd64.gz",
    install: "xen-hypervisor-4.20-amd64 (of Debian 13)",
    passed: None,
    found: OnceLock::new(),
};

/// Unstripped ELF file of Xen 4.20 with symbols and line numbers: `xen-syms`.
pub static XEN_4_20_SYMBOLS: Asset = Asset {
    what: "the symbols of Xen 4.20",
    variable: "MBTOOL_XEN_4_20_SYMBOLS",
    recipe: Recipe {
        name: "xen-4.20-symbols",
        suite: "trixie",
        packages: Packages::Single("xen-hypervisor-4.20-amd64-dbg"),
        keep: &["usr/lib/debug/boot/xen-syms-*"],
    },
    file: "usr/lib/debug/boot/xen-syms-4.20-amd64",
    install: "xen-hypervisor-4.20-amd64-dbg (of Debian 13)",
    passed: None,
    found: OnceLock::new(),
};

/// makedumpfile, which filters and reads crash dumps, with all its libraries.
pub static MAKEDUMPFILE: Asset = Asset {
    what: "makedumpfile",
    variable: "MBTOOL_MAKEDUMPFILE",
    recipe: Recipe {
        name: "makedumpfile",
        suite: "bookworm",
        packages: Packages::Closure(&["makedumpfile"]),
        keep: &[
            "lib64",
            "lib/x86_64-linux-gnu",
            "usr/bin/makedumpfile",
            "usr/lib/x86_64-linux-gnu/lib*",
        ],
    },
    file: "usr/bin/makedumpfile",
    install: "makedumpfile",
    passed: None,
    found: OnceLock::new(),
};

/// vmcore-dmesg, which prints the kernel's log of an ELF core, with all its libraries.
pub static VMCORE_DMESG: Asset = Asset {
    what: "vmcore-dmesg",
    variable: "MBTOOL_VMCORE_DMESG",
    recipe: Recipe {
        name: "vmcore-dmesg",
        suite: "bookworm",
        packages: Packages::Closure(&["kexec-tools"]),
        keep: &[
            "lib64",
            "lib/x86_64-linux-gnu",
            "sbin/vmcore-dmesg",
            "usr/sbin/vmcore-dmesg",
            "usr/lib/x86_64-linux-gnu/lib*",
        ],
    },
    file: "sbin/vmcore-dmesg",
    install: "kexec-tools",
    passed: None,
    found: OnceLock::new(),
};

/// crash, which analyzes a dump, with all its libraries.
pub static CRASH: Asset = Asset {
    what: "crash",
    variable: "MBTOOL_CRASH",
    recipe: Recipe {
        name: "crash",
        suite: "bookworm",
        packages: Packages::Closure(&["crash"]),
        keep: &[
            "lib64",
            "lib/x86_64-linux-gnu",
            "usr/bin/crash",
            "usr/lib/x86_64-linux-gnu/lib*",
        ],
    },
    file: "usr/bin/crash",
    install: "crash",
    passed: None,
    found: OnceLock::new(),
};

/// crash of Debian 13: that of Debian 12 (8.0.2) does not find the processes of Debian 12's current
/// kernel.
pub static CRASH_8_0_6: Asset = Asset {
    what: "crash 8.0.6",
    variable: "MBTOOL_CRASH_8_0_6",
    recipe: Recipe {
        name: "crash-8.0.6",
        suite: "trixie",
        packages: Packages::Closure(&["crash"]),
        keep: &["usr/bin/crash", "usr/lib/x86_64-linux-gnu"],
    },
    file: "usr/bin/crash",
    install: "crash",
    passed: None,
    found: OnceLock::new(),
};

/// The kernel of Linux 6.1 with its debug symbols: an 855 MB download, for a slow
/// test.
pub static LINUX_6_1_DEBUG: Asset = Asset {
    what: "Linux 6.1 with debug symbols",
    variable: "MBTOOL_LINUX_6_1_DEBUG",
    recipe: Recipe {
        name: "linux-6.1-debug",
        suite: "bookworm",
        packages: Packages::DependencyOf {
            meta: "linux-image-amd64-dbg",
            prefix: "linux-image-6.1",
        },
        keep: &["usr/lib/debug/boot"],
    },
    file: "usr/lib/debug/boot/vmlinux-6.1*",
    install: "linux-image-amd64-dbg",
    passed: None,
    found: OnceLock::new(),
};

/// Xen of the release `version` ("4.17" or "4.20"): the gzipped image as Debian ships it.
pub fn xen(version: &str) -> Result<&'static Asset> {
    match version {
        "4.17" => Ok(&XEN_4_17),
        "4.20" => Ok(&XEN_4_20),
        other => bail!("no Xen {other} is known, only 4.17 and 4.20"),
    }
}

/// The symbols of the same build of Xen `version` ("4.20").
pub fn xen_symbols(version: &str) -> Result<&'static Asset> {
    match version {
        "4.20" => Ok(&XEN_4_20_SYMBOLS),
        other => bail!("no symbols of Xen {other} are known, only those of 4.20"),
    }
}
