//! A real Debian with systemd and initramfs-tools: set up, crashed, saved by Xen and its dom0, booted again.

use std::time::Duration;

use anyhow::Result;
use images::guest::{DEBIAN, DebianGuest};
use images::rootfs::Debian;
use tests::{Firmware, Machine};

#[test]
fn boots() -> Result<()> {
    let debian = Debian::find()?;
    let guest = DebianGuest::new(
        &debian,
        "cat /proc/uptime\nmkdir /tmp/c; cp -a /etc/initramfs-tools/. /tmp/c; sed -i s/MODULES=most/MODULES=dep/ /tmp/c/initramfs.conf\n
         for c in zstd; do cat /proc/uptime; mkinitramfs -d /tmp/c -o /tmp/x; cat /proc/uptime; ls -l /tmp/x; done; lsinitramfs -l /tmp/x | awk '{s+=$5; print $5,$9} END {print s}' | sort -n | tail -40; free; cat /proc/uptime; systemctl list-units -t service --no-pager",
    )?;
    let end = format!("{DEBIAN}END");
    Machine::new(Firmware::SeaBios, &debian.kernel()?)
        .append(&DebianGuest::command_line())
        .append("quiet panic=-1")
        .initrd(guest.finish()?)
        .disk(&debian.disk)
        .run("debian_boots", Duration::from_secs(300), &[&end])?
        .ended_with(&end)?;
    Ok(())
}
