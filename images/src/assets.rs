//! The real things that tests and the demo run: QEMU, firmware, Linux, Xen, busybox.
//!
//! Each is looked for in this order:
//! 1. the file that an environment variable names: `MBTOOL_QEMU`, `MBTOOL_OVMF`, `MBTOOL_BUSYBOX`, `MBTOOL_LINUX_6_1`,
//!    `MBTOOL_LINUX_6_12`, `MBTOOL_LINUX_7`,
//!    `MBTOOL_XEN_4_17`, `MBTOOL_XEN_4_20`, `MBTOOL_XEN_4_20_SYMBOLS`, `MBTOOL_MAKEDUMPFILE`, `MBTOOL_VMCORE_DMESG`,
//!    `MBTOOL_CRASH`,
//! 2. the cache in the user's cache directory ([`crate::store`]), filled from Debian's mirrors when it has no whole copy,
//! 3. when nothing can be fetched: where the Debian package would have installed it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, bail};

use crate::debian::Packages;
use crate::progress::say;
use crate::store::{self, Recipe};

/// Something that has to be fetched.
#[derive(Debug)]
pub struct Asset {
    /// What to call it in messages.
    what: &'static str,
    /// The environment variable whose value is used instead of anything fetched: the path of a file.
    variable: &'static str,
    /// How to get it.
    recipe: Recipe,
    /// The file itself, relative to the root of the unpacked packages; components may end in `*`.
    file: &'static str,
    /// Packages that install it on a Debian system.
    install: &'static str,
    /// Of what Debian replaces by newer versions, not only by mended ones: the newest that all tests have passed with.
    passed: Option<&'static str>,
    found: OnceLock<Result<Found, String>>,
}

/// Where an asset is.
#[derive(Debug)]
pub struct Found {
    /// The file itself.
    pub path: PathBuf,
    /// Root of the private tree that it is part of; `None` for a file of the user's or of the system's.
    pub root: Option<PathBuf>,
    /// Version of the package with the file, where that is known.
    pub version: Option<String>,
}

/// QEMU 10.0 for x86 with all its libraries. (Before 8.1 its emulation of several CPUs now and then runs an instruction
/// that has just been replaced: Linux dies of an `int3` that is not there any more.)
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

/// The kernel image, the modules that make hypercalls available to user space, and the one that asks EFI for variables.
const KERNEL_FILES: &[&str] = &[
    "boot/vmlinuz-*",
    "boot/config-*",
    "lib/modules/*/kernel/fs/efivarfs",
    "usr/lib/modules/*/kernel/fs/efivarfs",
    "lib/modules/*/kernel/drivers/xen",
    "usr/lib/modules/*/kernel/drivers/xen",
    // a disk to save a dump to, and watchdogs
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

/// Linux 6.12: the last long-term series before kexec was reworked. The first system of most tests: its image is unpacked
/// faster than that of 6.1.
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

/// Linux 7: hands over with a GDT and an IDT of its own, as all do since 6.16.
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

/// Xen 4.20 as linked, with symbols and line numbers: `xen-syms`.
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

/// crash, which looks into a dump, with all its libraries.
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

/// The same of Debian 13: that of Debian 12 (8.0.2) does not find the processes of its own current kernel.
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

/// The kernel of Linux 6.1 with its debug symbols: 855 MB to fetch, for a long form.
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

/// What the cases need that run when nothing is asked for.
static USUAL: [&Asset; 12] = [
    &QEMU,
    &OVMF,
    &BUSYBOX,
    &LINUX_6_1,
    &LINUX_6_12,
    &LINUX_7,
    &XEN_4_17,
    &XEN_4_20,
    &XEN_4_20_SYMBOLS,
    &MAKEDUMPFILE,
    &VMCORE_DMESG,
    &CRASH,
];

/// Finds what most tests need, and says what it is: packages, versions, digests. What cannot be found, the tests that need it
/// say.
pub fn announce() {
    for asset in USUAL {
        let _ = asset.find();
    }
}

/// Finds all of `wanted`, so that later uses start at once. The error says what to install or to set for every one
/// that may be missing, not for the first alone.
pub fn require(wanted: &[&'static Asset]) -> Result<()> {
    for (index, asset) in wanted.iter().enumerate() {
        let Err(error) = asset.find() else { continue };
        let rest: Vec<String> = wanted[index + 1..]
            .iter()
            .filter(|other| env::var_os(other.variable).is_none())
            .map(|other| {
                format!(
                    "\n  {}: package {}, or {}",
                    other.what, other.install, other.variable
                )
            })
            .collect();
        if rest.is_empty() {
            return Err(error);
        }
        bail!(
            "{error:#}\nAlso needed, if not cached yet:{}",
            rest.concat()
        );
    }
    Ok(())
}

impl Asset {
    /// Where it is; fetched on first use. The error says what to install or to set.
    pub fn find(&'static self) -> Result<&'static Found> {
        self.found
            .get_or_init(|| self.locate().map_err(|error| format!("{error:#}")))
            .as_ref()
            .map_err(|error| anyhow!("{error}"))
    }

    /// The file itself; fetched on first use.
    pub fn path(&'static self) -> Result<&'static Path> {
        Ok(&self.find()?.path)
    }

    /// The version that was fetched, and the newest one that all tests have passed with, where the first is newer: who
    /// fails with it may be new to it.
    pub fn is_new(&'static self) -> Option<(&'static str, &'static str)> {
        let passed = self.passed?;
        let version = self.find().ok()?.version.as_deref()?;
        (numbers(version) > numbers(passed)).then_some((version, passed))
    }

    fn locate(&self) -> Result<Found> {
        if let Some(value) = env::var_os(self.variable) {
            // Absolute, because QEMU runs in another directory.
            let path = std::path::absolute(value)
                .with_context(|| format!("{} does not name a file", self.variable))?;
            if !path.is_file() {
                bail!(
                    "{} names {}, which is not a file",
                    self.variable,
                    path.display()
                );
            }
            say(
                "setup",
                format_args!(
                    "{}: {}, named by {}",
                    self.what,
                    path.display(),
                    self.variable
                ),
            );
            return Ok(Found {
                path,
                root: None,
                version: None,
            });
        }
        let fetched = store::open(&self.recipe).and_then(|entry| {
            let path = resolve(&entry.root, self.file)?;
            say("setup", format_args!("{}: {entry}", self.what));
            Ok(Found {
                path,
                version: entry.version().map(str::to_owned),
                root: Some(entry.root),
            })
        });
        fetched.or_else(|error| {
            if let Ok(path) = resolve(Path::new("/"), self.file) {
                say("setup", format_args!("cannot fetch {}, using {}", self.what, path.display()));
                return Ok(Found {
                    path,
                    root: None,
                    version: None,
                });
            }
            Err(error).with_context(|| {
                format!(
                    "{what} is not cached and cannot be fetched. Either run this once with a network, \
                     or as root `apt-get install {install}`, or set {variable} to its path",
                    what = self.what,
                    install = self.install,
                    variable = self.variable,
                )
            })
        })
    }
}

/// The numbers that a version begins with: 7, 3 and 4 of "7.3.4-1~bpo13+1".
fn numbers(version: &str) -> Vec<u32> {
    let end = version.find(|c: char| c != '.' && !c.is_ascii_digit());
    let numbers = version[..end.unwrap_or(version.len())].split('.');
    numbers.map_while(|number| number.parse().ok()).collect()
}

/// The one path below `root` that fits `file`; of several the last by name.
fn resolve(root: &Path, file: &str) -> Result<PathBuf> {
    if let Some((directory, inside)) = file.split_once("*/") {
        let directory = resolve(root, &format!("{directory}*"))?;
        return resolve(&directory, inside);
    }
    let Some(prefix) = file.strip_suffix('*') else {
        let path = root.join(file);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(anyhow!("{} does not exist", path.display()))
        };
    };
    let (dir, prefix) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    let dir = root.join(dir);
    let mut found: Vec<_> = fs::read_dir(&dir)
        .with_context(|| format!("cannot read {}", dir.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().and_then(|n| n.to_str());
            // "6.1*" means 6.1.x, not 6.12.
            name.and_then(|n| n.strip_prefix(prefix))
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .collect();
    found.sort();
    found
        .pop()
        .ok_or_else(|| anyhow!("{} has no {prefix}*", dir.display()))
}

/// What a dom0 with `linux` (6.1 or 6.12) needs to let user space reach Xen, in the order to load it: the kernel's release, and
/// the file of the module. Nothing for a kernel that is not part of a tree with modules.
pub fn xen_modules(linux: &'static Asset) -> Result<Vec<(String, PathBuf)>> {
    let files = ["drivers/xen/xen-privcmd.ko", "drivers/xen/xenfs/xenfs.ko"];
    modules(linux, &files)
}

/// What Linux 6.1 needs to show EFI's variables: as [`xen_modules`].
pub fn efi_modules() -> Result<Vec<(String, PathBuf)>> {
    modules(&LINUX_6_1, &["fs/efivarfs/efivarfs.ko"])
}

/// What Linux 6.1 needs for a virtio disk with ext2, ext3 or ext4: as [`xen_modules`].
pub fn disk_modules() -> Result<Vec<(String, PathBuf)>> {
    let files = [
        "drivers/virtio/virtio.ko",
        "drivers/virtio/virtio_ring.ko",
        "drivers/virtio/virtio_pci_modern_dev.ko",
        "drivers/virtio/virtio_pci_legacy_dev.ko",
        "drivers/virtio/virtio_pci.ko",
        "drivers/block/virtio_blk.ko",
        "lib/crc16.ko",
        "crypto/crc32c_generic.ko",
        "fs/mbcache.ko",
        "fs/jbd2/jbd2.ko",
        "fs/ext4/ext4.ko",
    ];
    modules(&LINUX_6_1, &files)
}

/// What Linux 6.1 needs for QEMU's watchdog i6300esb: as [`xen_modules`].
pub fn watchdog_modules() -> Result<Vec<(String, PathBuf)>> {
    let files = [
        "drivers/watchdog/watchdog.ko",
        "drivers/watchdog/i6300esb.ko",
    ];
    modules(&LINUX_6_1, &files)
}

/// Modules of `kernel`, by their paths below its `kernel` directory; all of them or none. They may be packed.
fn modules(kernel: &'static Asset, files: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    let kernel = kernel.path()?;
    let name = kernel.file_name().and_then(|name| name.to_str());
    let (Some(release), Some(root)) = (
        name.and_then(|name| name.strip_prefix("vmlinuz-")),
        kernel.parent().and_then(Path::parent),
    ) else {
        return Ok(Vec::new());
    };
    let place = |file: &&str| {
        let below = |lib: &&str| root.join(lib).join(release).join("kernel");
        let dirs = ["lib/modules", "usr/lib/modules"];
        let mut places = dirs.iter().flat_map(|lib| {
            [String::new(), ".xz".to_owned()].map(|end| below(lib).join(format!("{file}{end}")))
        });
        places.find(|path| path.is_file())
    };
    let found: Option<Vec<PathBuf>> = files.iter().map(place).collect();
    let found = found.into_iter().flatten();
    Ok(found.map(|file| (release.to_owned(), file)).collect())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_number_by_number() {
        assert_eq!(numbers("7.3.4-1~bpo13+1"), [7, 3, 4]);
        assert!(numbers("7.10.1-1") > numbers("7.3.4"));
        assert!(numbers("7.3.4-2") == numbers("7.3.4"));
        assert!(numbers("7.3") < numbers("7.3.4"));
        assert!(LINUX_7.passed.is_some_and(|passed| numbers(passed)[0] == 7));
    }

    #[test]
    fn a_prefix_takes_the_series_and_its_newest() {
        let root = tempfile::tempdir().unwrap();
        let boot = root.path().join("boot");
        fs::create_dir(&boot).unwrap();
        for name in [
            "vmlinuz-6.1.0-47-amd64",
            "vmlinuz-6.1.0-50-amd64",
            "vmlinuz-6.12.9-amd64",
        ] {
            fs::write(boot.join(name), "").unwrap();
        }
        let found = resolve(root.path(), LINUX_6_1.file).unwrap();
        assert_eq!(found, boot.join("vmlinuz-6.1.0-50-amd64"));
        let kernel = root.path().join("modules/7.2.12+deb13-amd64/vmlinuz");
        fs::create_dir_all(kernel.parent().unwrap()).unwrap();
        fs::write(&kernel, "").unwrap();
        assert_eq!(resolve(root.path(), "modules/7*/vmlinuz").unwrap(), kernel);
        let found = resolve(root.path(), "boot/vmlinuz-6.12*").unwrap();
        assert_eq!(found, boot.join("vmlinuz-6.12.9-amd64"));
        assert!(resolve(root.path(), XEN_4_17.file).is_err());
        assert!(resolve(root.path(), "boot/xen*").is_err());
    }
}
