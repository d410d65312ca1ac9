//! Assets of other architectures: the cross toolchain, emulators, kernels, user land.

use std::sync::OnceLock;

use super::asset::Asset;
use crate::debian::Packages;
use crate::store::Recipe;

/// rustc of Debian (built for its browsers, newer than Debian's own) with the standard library of
/// this machine and of the architectures that mbtool is built for. One entry, so that all pieces
/// have the same version.
pub static RUST_CROSS: Asset = Asset {
    what: "a Rust compiler for other architectures",
    variable: "MBTOOL_RUST_CROSS",
    recipe: Recipe {
        name: "rust-cross",
        suite: "trixie",
        packages: Packages::Together(&[
            Packages::Single("rustc-web"),
            Packages::Closure(&["libstd-rust-web-dev"]),
            Packages::Foreign {
                architecture: "riscv64",
                packages: &Packages::Single("libstd-rust-web-dev"),
            },
            Packages::Foreign {
                architecture: "arm64",
                packages: &Packages::Single("libstd-rust-web-dev"),
            },
            Packages::Foreign {
                architecture: "armhf",
                packages: &Packages::Single("libstd-rust-web-dev"),
            },
        ]),
        keep: &[
            "usr/bin/rustc",
            "usr/lib/rustlib",
            "usr/lib/x86_64-linux-gnu",
        ],
    },
    file: "usr/bin/rustc",
    install: "rustc-web libstd-rust-web-dev (of Debian 13)",
    passed: None,
    found: OnceLock::new(),
};

/// Returns the C library of an architecture, for static programs: what a cross gcc would link.
const fn libc(
    what: &'static str,
    variable: &'static str,
    recipe: (
        &'static str,
        &'static [&'static str; 2],
        &'static [&'static str; 2],
    ),
    file: &'static str,
    install: &'static str,
) -> Asset {
    let (name, packages, keep) = recipe;
    Asset {
        what,
        variable,
        recipe: Recipe {
            name,
            suite: "trixie",
            packages: Packages::Listed(packages),
            keep,
        },
        file,
        install,
        passed: None,
        found: OnceLock::new(),
    }
}

/// The C library of riscv64.
pub static LIBC_RISCV64: Asset = libc(
    "the C library of riscv64",
    "MBTOOL_LIBC_RISCV64",
    (
        "libc-riscv64",
        &["libc6-dev-riscv64-cross", "libgcc-14-dev-riscv64-cross"],
        &["usr/riscv64-linux-gnu/lib", "usr/lib/gcc-cross"],
    ),
    "usr/riscv64-linux-gnu/lib/libc.a",
    "libc6-dev-riscv64-cross libgcc-14-dev-riscv64-cross",
);

/// The C library of arm64.
pub static LIBC_ARM64: Asset = libc(
    "the C library of arm64",
    "MBTOOL_LIBC_ARM64",
    (
        "libc-arm64",
        &["libc6-dev-arm64-cross", "libgcc-14-dev-arm64-cross"],
        &["usr/aarch64-linux-gnu/lib", "usr/lib/gcc-cross"],
    ),
    "usr/aarch64-linux-gnu/lib/libc.a",
    "libc6-dev-arm64-cross libgcc-14-dev-arm64-cross",
);

/// The C library of armhf.
pub static LIBC_ARMHF: Asset = libc(
    "the C library of armhf",
    "MBTOOL_LIBC_ARMHF",
    (
        "libc-armhf",
        &["libc6-dev-armhf-cross", "libgcc-14-dev-armhf-cross"],
        &["usr/arm-linux-gnueabihf/lib", "usr/lib/gcc-cross"],
    ),
    "usr/arm-linux-gnueabihf/lib/libc.a",
    "libc6-dev-armhf-cross libgcc-14-dev-armhf-cross",
);

/// QEMU for riscv64 with its firmware (OpenSBI), and all libraries.
pub static QEMU_RISCV64: Asset = Asset {
    what: "QEMU for riscv64",
    variable: "MBTOOL_QEMU_RISCV64",
    recipe: Recipe {
        name: "qemu-riscv64",
        suite: "trixie",
        packages: Packages::Closure(&["qemu-system-riscv", "opensbi"]),
        keep: &[
            "lib/x86_64-linux-gnu",
            "usr/lib/x86_64-linux-gnu",
            "usr/bin/qemu-system-riscv64",
            "usr/share/qemu",
            "usr/lib/riscv64-linux-gnu/opensbi",
        ],
    },
    file: "usr/bin/qemu-system-riscv64",
    install: "qemu-system-riscv opensbi (of Debian 13)",
    passed: None,
    found: OnceLock::new(),
};

/// Linux 6.12 for riscv64: an `Image`, though Debian names it `vmlinux`. With KVM's modules.
pub static LINUX_RISCV64: Asset = Asset {
    what: "Linux 6.12 for riscv64",
    variable: "MBTOOL_LINUX_RISCV64",
    recipe: Recipe {
        name: "linux-6.12-riscv64",
        suite: "trixie",
        packages: Packages::Foreign {
            architecture: "riscv64",
            packages: &Packages::DependencyOf {
                meta: "linux-image-riscv64",
                prefix: "linux-image-6.12",
            },
        },
        keep: &[
            "boot/vmlinu*",
            "boot/config-*",
            "usr/lib/modules/*/kernel/arch/riscv/kvm",
            "lib/modules/*/kernel/arch/riscv/kvm",
            "usr/lib/modules/*/kernel/virt",
            "lib/modules/*/kernel/virt",
        ],
    },
    file: "boot/vmlinux-6.12*",
    install: "linux-image-riscv64 (of Debian 13, riscv64)",
    passed: None,
    found: OnceLock::new(),
};

/// A static user land for riscv64.
pub static BUSYBOX_RISCV64: Asset = Asset {
    what: "a static busybox for riscv64",
    variable: "MBTOOL_BUSYBOX_RISCV64",
    recipe: Recipe {
        name: "busybox-riscv64",
        suite: "trixie",
        packages: Packages::Foreign {
            architecture: "riscv64",
            packages: &Packages::Single("busybox-static"),
        },
        keep: &["bin/busybox", "usr/bin/busybox"],
    },
    file: "usr/bin/busybox",
    install: "busybox-static (of Debian 13, riscv64)",
    passed: None,
    found: OnceLock::new(),
};

/// makedumpfile for riscv64, with its libraries.
pub static MAKEDUMPFILE_RISCV64: Asset = Asset {
    what: "makedumpfile for riscv64",
    variable: "MBTOOL_MAKEDUMPFILE_RISCV64",
    recipe: Recipe {
        name: "makedumpfile-riscv64",
        suite: "trixie",
        packages: Packages::Foreign {
            architecture: "riscv64",
            packages: &Packages::Listed(&[
                "makedumpfile",
                "libc6",
                "libbz2-1.0",
                "libdw1t64",
                "libelf1t64",
                "liblzma5",
                "liblzo2-2",
                "libzstd1",
                "zlib1g",
            ]),
        },
        keep: &[
            "usr/bin/makedumpfile",
            "usr/lib/ld-linux-*",
            "usr/lib/riscv64-linux-gnu",
        ],
    },
    file: "usr/bin/makedumpfile",
    install: "makedumpfile (of Debian 13, riscv64)",
    passed: None,
    found: OnceLock::new(),
};

/// The newest Linux of Debian for riscv64.
pub static LINUX_SID_RISCV64: Asset = Asset {
    what: "the newest Linux for riscv64",
    variable: "MBTOOL_LINUX_SID_RISCV64",
    recipe: Recipe {
        name: "linux-sid-riscv64",
        suite: "sid",
        packages: Packages::Foreign {
            architecture: "riscv64",
            packages: &Packages::DependencyChain {
                meta: "linux-image-riscv64",
                prefixes: &["linux-image-", "linux-binary-"],
            },
        },
        keep: &["usr/lib/modules/*/vmlinuz"],
    },
    file: "usr/lib/modules/*/vmlinuz",
    install: "linux-image-riscv64 (of Debian sid, riscv64)",
    passed: Some("7.2.13"),
    found: OnceLock::new(),
};
