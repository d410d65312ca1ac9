//! Assets for ARM, 64 and 32 bits: emulators, kernels, Xen, user land.

use std::sync::OnceLock;

use super::asset::Asset;
use crate::debian::Packages;
use crate::store::Recipe;

/// QEMU for 64-bit ARM, and all libraries.
pub static QEMU_ARM64: Asset = qemu(
    "QEMU for arm64",
    "MBTOOL_QEMU_ARM64",
    "usr/bin/qemu-system-aarch64",
);

/// QEMU for 32-bit ARM, of the same package.
pub static QEMU_ARM: Asset = qemu(
    "QEMU for 32-bit ARM",
    "MBTOOL_QEMU_ARM",
    "usr/bin/qemu-system-arm",
);

const fn qemu(what: &'static str, variable: &'static str, file: &'static str) -> Asset {
    Asset {
        what,
        variable,
        recipe: Recipe {
            name: "qemu-arm",
            suite: "trixie",
            packages: Packages::Closure(&["qemu-system-arm"]),
            keep: &[
                "lib/x86_64-linux-gnu",
                "usr/lib/x86_64-linux-gnu",
                "usr/bin/qemu-system-aarch64",
                "usr/bin/qemu-system-arm",
                "usr/share/qemu",
            ],
        },
        file,
        install: "qemu-system-arm (of Debian 13)",
        passed: None,
        found: OnceLock::new(),
    }
}

/// Linux 6.12 for arm64: an uncompressed `Image`, though Debian names it `vmlinuz`. KVM is built in.
pub static LINUX_ARM64: Asset = Asset {
    what: "Linux 6.12 for arm64",
    variable: "MBTOOL_LINUX_ARM64",
    recipe: Recipe {
        name: "linux-6.12-arm64",
        suite: "trixie",
        packages: Packages::Foreign {
            architecture: "arm64",
            packages: &Packages::DependencyOf {
                meta: "linux-image-arm64",
                prefix: "linux-image-6.12",
            },
        },
        keep: &["boot/vmlinu*", "boot/config-*"],
    },
    file: "boot/vmlinuz-6.12*",
    install: "linux-image-arm64 (of Debian 13, arm64)",
    passed: None,
    found: OnceLock::new(),
};

/// The newest Linux of Debian for arm64.
pub static LINUX_SID_ARM64: Asset = Asset {
    what: "the newest Linux for arm64",
    variable: "MBTOOL_LINUX_SID_ARM64",
    recipe: Recipe {
        name: "linux-sid-arm64",
        suite: "sid",
        packages: Packages::Foreign {
            architecture: "arm64",
            packages: &Packages::DependencyChain {
                meta: "linux-image-arm64",
                prefixes: &["linux-image-", "linux-binary-"],
            },
        },
        keep: &["usr/lib/modules/*/vmlinuz"],
    },
    file: "usr/lib/modules/*/vmlinuz",
    install: "linux-image-arm64 (of Debian sid, arm64)",
    passed: Some("7.2.13"),
    found: OnceLock::new(),
};

/// Xen 4.17 for arm64.
pub static XEN_4_17_ARM64: Asset = xen(
    "Xen 4.17 for arm64",
    "MBTOOL_XEN_4_17_ARM64",
    ("xen-4.17-arm64", "bookworm"),
    Packages::Foreign {
        architecture: "arm64",
        packages: &Packages::Single("xen-hypervisor-4.17-arm64"),
    },
    "boot/xen-4.17-arm64",
    "xen-hypervisor-4.17-arm64 (of Debian 12, arm64)",
);

/// Xen 4.20 for arm64.
pub static XEN_4_20_ARM64: Asset = xen(
    "Xen 4.20 for arm64",
    "MBTOOL_XEN_4_20_ARM64",
    ("xen-4.20-arm64", "trixie"),
    Packages::Foreign {
        architecture: "arm64",
        packages: &Packages::Single("xen-hypervisor-4.20-arm64"),
    },
    "boot/xen-4.20-arm64",
    "xen-hypervisor-4.20-arm64 (of Debian 13, arm64)",
);

const fn xen(
    what: &'static str,
    variable: &'static str,
    (name, suite): (&'static str, &'static str),
    packages: Packages,
    file: &'static str,
    install: &'static str,
) -> Asset {
    Asset {
        what,
        variable,
        recipe: Recipe {
            name,
            suite,
            packages,
            keep: &["boot/xen-*"],
        },
        file,
        install,
        passed: None,
        found: OnceLock::new(),
    }
}

/// A static user land for arm64.
pub static BUSYBOX_ARM64: Asset = busybox(
    "a static busybox for arm64",
    "MBTOOL_BUSYBOX_ARM64",
    "busybox-arm64",
    Packages::Foreign {
        architecture: "arm64",
        packages: &Packages::Single("busybox-static"),
    },
    "busybox-static (of Debian 13, arm64)",
);

/// A static user land for armhf.
pub static BUSYBOX_ARMHF: Asset = busybox(
    "a static busybox for armhf",
    "MBTOOL_BUSYBOX_ARMHF",
    "busybox-armhf",
    Packages::Foreign {
        architecture: "armhf",
        packages: &Packages::Single("busybox-static"),
    },
    "busybox-static (of Debian 13, armhf)",
);

const fn busybox(
    what: &'static str,
    variable: &'static str,
    name: &'static str,
    packages: Packages,
    install: &'static str,
) -> Asset {
    Asset {
        what,
        variable,
        recipe: Recipe {
            name,
            suite: "trixie",
            packages,
            keep: &["bin/busybox", "usr/bin/busybox"],
        },
        file: "usr/bin/busybox",
        install,
        passed: None,
        found: OnceLock::new(),
    }
}

/// vmcore-dmesg for arm64, with its library. makedumpfile does not read dumps of kernels with 4 KiB pages and 52-bit virtual
/// addresses, such as Debian's: 1.7.8 fails.
pub static VMCORE_DMESG_ARM64: Asset = vmcore_dmesg(
    "vmcore-dmesg for arm64",
    "MBTOOL_VMCORE_DMESG_ARM64",
    "vmcore-dmesg-arm64",
    Packages::Foreign {
        architecture: "arm64",
        packages: &Packages::Listed(&["kexec-tools", "libc6", "zlib1g"]),
    },
    "kexec-tools (of Debian 13, arm64)",
);

/// vmcore-dmesg for armhf, with its library.
pub static VMCORE_DMESG_ARMHF: Asset = vmcore_dmesg(
    "vmcore-dmesg for armhf",
    "MBTOOL_VMCORE_DMESG_ARMHF",
    "vmcore-dmesg-armhf",
    Packages::Foreign {
        architecture: "armhf",
        packages: &Packages::Listed(&["kexec-tools", "libc6", "zlib1g"]),
    },
    "kexec-tools (of Debian 13, armhf)",
);

const fn vmcore_dmesg(
    what: &'static str,
    variable: &'static str,
    name: &'static str,
    packages: Packages,
    install: &'static str,
) -> Asset {
    Asset {
        what,
        variable,
        recipe: Recipe {
            name,
            suite: "trixie",
            packages,
            keep: &[
                "usr/sbin/vmcore-dmesg",
                "usr/lib/ld-linux-*",
                "usr/lib/aarch64-linux-gnu",
                "usr/lib/arm-linux-gnueabihf",
            ],
        },
        file: "usr/sbin/vmcore-dmesg",
        install,
        passed: None,
        found: OnceLock::new(),
    }
}

/// Linux 6.12 for armhf, without LPAE: a `zImage`.
pub static LINUX_ARMHF: Asset = Asset {
    what: "Linux 6.12 for armhf",
    variable: "MBTOOL_LINUX_ARMHF",
    recipe: Recipe {
        name: "linux-6.12-armhf",
        suite: "trixie",
        packages: Packages::Foreign {
            architecture: "armhf",
            packages: &Packages::DependencyOf {
                meta: "linux-image-armmp",
                prefix: "linux-image-6.12",
            },
        },
        keep: &["boot/vmlinu*", "boot/config-*"],
    },
    file: "boot/vmlinuz-6.12*",
    install: "linux-image-armmp (of Debian 13, armhf)",
    passed: None,
    found: OnceLock::new(),
};

/// The newest Linux of Debian for armhf, with LPAE.
pub static LINUX_SID_ARMHF_LPAE: Asset = Asset {
    what: "the newest Linux for armhf with LPAE",
    variable: "MBTOOL_LINUX_SID_ARMHF_LPAE",
    recipe: Recipe {
        name: "linux-sid-armhf-lpae",
        suite: "sid",
        packages: Packages::Foreign {
            architecture: "armhf",
            packages: &Packages::DependencyChain {
                meta: "linux-image-armmp-lpae",
                prefixes: &["linux-image-", "linux-binary-"],
            },
        },
        keep: &["usr/lib/modules/*/vmlinuz"],
    },
    file: "usr/lib/modules/*/vmlinuz",
    install: "linux-image-armmp-lpae (of Debian sid, armhf)",
    passed: Some("7.2.13"),
    found: OnceLock::new(),
};
