//! Drivers of the devices that a dump is saved to. An initrd built without them
//! cannot save it.

use crate::config::Save;
use crate::config::target::{DeviceSpec, Target};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Maximum number of sysfs directories to read.
const LIMIT: usize = 4000;
/// Maximum depth of stacked block devices.
const LAYERS: usize = 16;

/// Returns the kernel modules for the disk in `save` or, for SSH, for all
/// network cards, in the system at `root`. Unknown ones are omitted.
pub fn of(root: &Path, save: &Save) -> BTreeSet<String> {
    let Ok(sys) = root.join("sys").canonicalize() else {
        return BTreeSet::new();
    };
    let mut walk = Walk {
        sys,
        left: LIMIT,
        modules: BTreeSet::new(),
    };
    match (&save.target, &save.device) {
        (Target::Ssh(_), _) => {
            for card in walk.list("class/net") {
                walk.up(&card.join("device"));
            }
        }
        (Target::Directory(_), Some(device)) => {
            if let Some(name) = kernel_name(root, device) {
                walk.block(&walk.sys.join("class/block").join(name), 0);
            }
        }
        (Target::Directory(_), None) => {}
    }
    walk.modules
}

/// Returns the kernel name, such as "dm-0", from udev's links. Labels with
/// characters that udev escapes are not found.
fn kernel_name(root: &Path, device: &DeviceSpec) -> Option<PathBuf> {
    let path = match device {
        DeviceSpec::Uuid(value) => Path::new("dev/disk/by-uuid").join(value),
        DeviceSpec::Label(value) => Path::new("dev/disk/by-label").join(value),
        DeviceSpec::PartUuid(value) => Path::new("dev/disk/by-partuuid").join(value),
        DeviceSpec::PartLabel(value) => Path::new("dev/disk/by-partlabel").join(value),
        DeviceSpec::Path(path) => path.strip_prefix("/").ok()?.to_owned(),
    };
    let node = root.join(path).canonicalize().ok()?;
    node.file_name().map(PathBuf::from)
}

/// Walk through sysfs.
struct Walk {
    sys: PathBuf,
    /// Remaining number of directories to read.
    left: usize,
    modules: BTreeSet<String>,
}

impl Walk {
    /// Lists a directory in sysfs.
    fn list(&self, dir: impl AsRef<Path>) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.sys.join(dir)).into_iter().flatten();
        entries
            .flatten()
            .take(self.left)
            .map(|entry| entry.path())
            .collect()
    }

    /// Visits a block device and its components.
    fn block(&mut self, device: &Path, layer: usize) {
        let Ok(dir) = device.canonicalize() else {
            return;
        };
        self.up(&dir);
        let disk = match dir.parent() {
            Some(disk) if dir.join("partition").exists() => disk,
            _ => &dir,
        };
        if layer < LAYERS && self.left > 0 {
            for part in self.list(disk.join("slaves")) {
                self.block(&part, layer + 1);
            }
        }
    }

    /// Collects the drivers of a device and of its parents.
    fn up(&mut self, device: &Path) {
        let Ok(dir) = device.canonicalize() else {
            return;
        };
        let inside = |dir: &&Path| *dir != self.sys && dir.starts_with(&self.sys);
        for dir in dir.ancestors().take_while(inside) {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let module = dir.join("driver/module").canonicalize();
            let name = module.ok().and_then(|module| {
                let name = module.file_name()?.to_str()?;
                Some(name.to_owned())
            });
            self.modules.extend(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::os::unix::fs::symlink;

    /// A machine with LVM on a partition of a RAID on a SATA disk, a USB disk, a
    /// virtio network card and a virtual one.
    fn machine() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let pci = "sys/devices/pci0000:00";
        for (device, module) in [
            (&*format!("{pci}/0000:00:02.0"), "ahci"),
            (&*format!("{pci}/0000:00:02.0/ata1/host0/0:0:0:0"), "sd_mod"),
            (&*format!("{pci}/0000:00:03.0"), "xhci_pci"),
            (&*format!("{pci}/0000:00:03.0/usb1/1-1"), "uas"),
            (&*format!("{pci}/0000:00:04.0"), "virtio_pci"),
            (&*format!("{pci}/0000:00:04.0/virtio0"), "virtio_net"),
        ] {
            let module = root.join("sys/module").join(module);
            let driver = root.join(device).join("driver");
            fs::create_dir_all(&module).unwrap();
            fs::create_dir_all(&driver).unwrap();
            symlink(module, driver.join("module")).unwrap();
        }
        let sda = format!("{pci}/0000:00:02.0/ata1/host0/0:0:0:0/block/sda");
        let sdb = format!("{pci}/0000:00:03.0/usb1/1-1/block/sdb");
        let md = "sys/devices/virtual/block/md0";
        let dm = "sys/devices/virtual/block/dm-0";
        let eth0 = format!("{pci}/0000:00:04.0/virtio0/net/eth0");
        for path in [
            &*format!("{sda}/sda1"),
            &*format!("{sda}/slaves"),
            &sdb,
            &*format!("{md}/md0p1"),
            &*format!("{md}/slaves"),
            &*format!("{dm}/slaves"),
            &eth0,
            "sys/devices/virtual/net/lo",
            "sys/class/block",
            "sys/class/net",
            "dev/disk/by-uuid",
        ] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        let link = |name: &str, to: &str| symlink(root.join(to), root.join(name)).unwrap();
        for part in [format!("{sda}/sda1"), format!("{md}/md0p1")] {
            fs::write(root.join(part).join("partition"), "1\n").unwrap();
        }
        link("sys/class/block/sda1", &format!("{sda}/sda1"));
        link("sys/class/block/sdb", &sdb);
        link("sys/class/block/dm-0", dm);
        link(&format!("{dm}/slaves/md0p1"), &format!("{md}/md0p1"));
        link(&format!("{md}/slaves/sda1"), &format!("{sda}/sda1"));
        link("sys/class/net/eth0", &eth0);
        link("sys/class/net/lo", "sys/devices/virtual/net/lo");
        link(
            &format!("{eth0}/device"),
            &format!("{pci}/0000:00:04.0/virtio0"),
        );
        for name in ["sda1", "sdb", "dm-0"] {
            fs::write(root.join("dev").join(name), "").unwrap();
        }
        link("dev/disk/by-uuid/1-2", "dev/dm-0");
        dir
    }

    fn found(root: &Path, save: &str) -> Vec<String> {
        let config = Config::parse(&format!("[save]\n{save}\n"), "x").unwrap();
        of(root, &config.save).into_iter().collect()
    }

    #[test]
    fn the_drivers_of_the_target_and_its_parents_are_found() {
        let machine = machine();
        let root = machine.path();
        for (save, expected) in [
            ("device = 'UUID=1-2'", &["ahci", "sd_mod"][..]),
            ("device = '/dev/sda1'", &["ahci", "sd_mod"]),
            ("device = '/dev/sdb'", &["uas", "xhci_pci"]),
            ("target = 'ssh://k@h/d'", &["virtio_net", "virtio_pci"]),
            ("device = 'UUID=3-4'", &[]),
            ("target = '/d'", &[]),
        ] {
            assert_eq!(found(root, save), expected, "{save}");
        }
        // no sysfs, and an unknown host
        assert!(found(&root.join("dev"), "target = 'ssh://k@h/d'").is_empty());
    }

    #[test]
    fn the_walk_is_bounded() {
        let machine = machine();
        let root = machine.path();
        // a device that contains itself
        let dm = root.join("sys/devices/virtual/block/dm-0");
        symlink(&dm, dm.join("slaves/dm-0")).unwrap();
        symlink(&dm, dm.join("slaves/dm-1")).unwrap();
        assert_eq!(found(root, "device = 'UUID=1-2'"), ["ahci", "sd_mod"]);
    }
}
