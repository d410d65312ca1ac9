//! The initramfs that boots Debian from its disk ([`crate::rootfs`]) and runs a test.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::base::base;
use crate::assets::BUSYBOX;
use crate::cpio::Archive;
use crate::rootfs::Debian;

/// Prefix of each line of a Debian guest: `BOOT n`, `END`, `FAIL rc=N`, and `+ COMMAND` for each
/// command.
pub const DEBIAN: &str = "MBTOOL-DEBIAN ";

/// Drivers for the disk and its file system.
const MODULES: [&str; 4] = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"];

/// The unit that systemd runs at each boot, on the console.
const UNIT: &str = "[Unit]\nDescription=Test\nAfter=mbtool-crash.service\n\n\
    [Service]\nType=oneshot\nExecStart=/bin/sh /usr/local/lib/test/run\nTimeoutStartSec=infinity\n\
    StandardOutput=tty\nStandardError=inherit\nTTYPath=/dev/console\n";

/// The script of the unit.
const RUN: &str = r#"# runs the test: boot number as $1; the first failing command is reported and ends the run
mkdir -p /var/lib/test
boot=$(($(cat /var/lib/test/boots 2>/dev/null || echo 0) + 1))
echo $boot >/var/lib/test/boots
# the first boots are soon followed by a crash
sync
echo
echo "MBTOOL-DEBIAN BOOT $boot linux=$(uname -r) pid1=$(cat /proc/1/comm)"
PS4='MBTOOL-DEBIAN + ' sh -ex /usr/local/lib/test/script $boot
rc=$?
if [ $rc -eq 0 ]; then
	echo "MBTOOL-DEBIAN END"
else
	echo "MBTOOL-DEBIAN FAIL rc=$rc"
fi
"#;

/// Builder of a Debian guest.
#[derive(Debug)]
pub struct DebianGuest {
    archive: Archive,
}

impl DebianGuest {
    /// A guest that runs `script` with `sh -ex` at each boot; `$1` is the number of the boot, from 1. Its standard output
    /// is the console.
    pub fn new(debian: &Debian, script: &str) -> Result<Self> {
        let mut archive = base(&BUSYBOX, include_str!("debian.sh"))?;
        archive.directory("disk")?;
        let mut order = String::new();
        for (name, data) in debian.modules(&MODULES)? {
            archive.file(&format!("modules/{name}"), 0o644, &data)?;
            order += &format!("{name}\n");
        }
        archive.file("modules/order", 0o644, order.as_bytes())?;
        let units = "add/etc/systemd/system";
        archive.file(&format!("{units}/test.service"), 0o644, UNIT.as_bytes())?;
        let wants = format!("{units}/multi-user.target.wants/test.service");
        archive.symlink(&wants, "../test.service")?;
        let guest = Self { archive };
        guest
            .bytes("usr/local/lib/test/run", RUN.as_bytes())?
            .bytes("usr/local/lib/test/script", script.as_bytes())
    }

    /// Adds `data` to the disk as the executable file `path` (relative to the root).
    pub fn bytes(mut self, path: &str, data: &[u8]) -> Result<Self> {
        self.archive.file(&format!("add/{path}"), 0o755, data)?;
        Ok(self)
    }

    /// Adds the file `from` of this machine to the disk as `path`.
    pub fn file(self, path: &str, from: &Path) -> Result<Self> {
        let data = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        self.bytes(path, &data)
    }

    /// Returns the initramfs, uncompressed.
    pub fn finish(self) -> Result<Vec<u8>> {
        self.archive.finish()
    }
}
