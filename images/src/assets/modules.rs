//! Kernel modules of the fetched kernels.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::asset::Asset;
use super::catalog::LINUX_6_1;

/// Returns the modules for hypercalls from user space in a dom0 with `linux` (6.1 or 6.12), in load
/// order: kernel release, and file of the module. Empty for a kernel without modules.
pub fn xen_modules(linux: &'static Asset) -> Result<Vec<(String, PathBuf)>> {
    let files = ["drivers/xen/xen-privcmd.ko", "drivers/xen/xenfs/xenfs.ko"];
    modules(linux, &files)
}

/// Returns the modules of Linux 6.1 for EFI variables, like [`xen_modules`].
pub fn efi_modules() -> Result<Vec<(String, PathBuf)>> {
    modules(&LINUX_6_1, &["fs/efivarfs/efivarfs.ko"])
}

/// Returns the modules of Linux 6.1 for a virtio disk with ext2, ext3 or ext4, like
/// [`xen_modules`].
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

/// Returns the modules of Linux 6.1 for QEMU's watchdog i6300esb, like
/// [`xen_modules`].
pub fn watchdog_modules() -> Result<Vec<(String, PathBuf)>> {
    let files = [
        "drivers/watchdog/watchdog.ko",
        "drivers/watchdog/i6300esb.ko",
    ];
    modules(&LINUX_6_1, &files)
}

/// Returns the modules of `linux` for riscv64 that run virtual machines, like [`xen_modules`].
pub fn kvm_modules(linux: &'static Asset) -> Result<Vec<(String, PathBuf)>> {
    modules(linux, &["virt/lib/irqbypass.ko", "arch/riscv/kvm/kvm.ko"])
}

/// Returns modules of `kernel`, by their paths below its `kernel` directory; all or none. They may
/// be compressed.
fn modules(kernel: &'static Asset, files: &[&str]) -> Result<Vec<(String, PathBuf)>> {
    let kernel = kernel.path()?;
    let name = kernel.file_name().and_then(|name| name.to_str());
    let (Some(release), Some(root)) = (
        name.and_then(|name| {
            let names = ["vmlinuz-", "vmlinux-"].into_iter();
            names.filter_map(|prefix| name.strip_prefix(prefix)).next()
        }),
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
