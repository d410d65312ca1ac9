//! A real Debian with systemd and initramfs-tools: set up for crash dumps, crashed, its memory saved by Xen and a dom0 on
//! the initial RAM disk that Debian's own mkinitramfs made, and booted again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::XEN_4_20;
use images::guest::{DEBIAN, DebianGuest};
use images::rootfs::Debian;
use tests::{Firmware, Machine, Outcome, mbtool_bin};

/// Four times what it takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(1200);

/// What each boot does: the first sets up and crashes, the second looks at what was saved.
const SCRIPT: &str = r#"
say() { echo "MBTOOL-DEBIAN $*"; }
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ $1 -eq 1 ]; then
	mbtool crash install
	mbtool crash install
	cat /etc/mbtool/crash.toml
	systemctl start mbtool-crash.service || { journalctl -u mbtool-crash -o cat --no-pager; false; }
	journalctl -u mbtool-crash -o cat --no-pager
	ls -l /var/lib/mbtool
	mbtool status
	lsinitramfs -l /var/lib/mbtool/crash-*.img | awk '{s+=$5} END {print "MBTOOL-DEBIAN unpacked=" s}'
	say "initrd=$(stat -c %s /var/lib/mbtool/crash-*.img)"
	sync
	echo 1 >/proc/sys/kernel/sysrq
	say "CRASH"
	sleep 1
	echo c >/proc/sysrq-trigger
fi
journalctl -u mbtool-crash -o cat --no-pager
say "unit=$(systemctl is-active mbtool-crash.service)"
say "enabled=$(systemctl is-enabled mbtool-crash.service)"
say "loaded=$(cat /sys/kernel/kexec_crash_loaded)"
find /var/crash -type f | xargs ls -l
cd /var/crash/crash-*
cat crash.json
sha256sum -c vmcore.sha256
say "sum=ok"
say "size=$(stat -c %s vmcore)"
makedumpfile --dump-dmesg vmcore /tmp/dmesg
say "panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' /tmp/dmesg)"
say "saved-panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' dmesg.txt)"
crash --log vmcore >/tmp/crash-log
say "crash-panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' /tmp/crash-log)"
mbtool crash uninstall
say "left=$(find /etc/mbtool /etc/systemd/system/*mbtool* /var/lib/mbtool 2>/dev/null | wc -l)"
say "unloaded=$(cat /sys/kernel/kexec_crash_loaded)"
"#;

/// Runs it as `name`; says how long each part took.
fn run(name: &str, crashkernel: &str) -> Result<Outcome> {
    let debian = Debian::find()?;
    let guest = DebianGuest::new(&debian, SCRIPT)?
        .file("usr/sbin/mbtool", mbtool_bin()?)?
        .file("boot/xen-4.20-amd64.gz", XEN_4_20.path()?)?
        .finish()?;
    let end = format!("{DEBIAN}END");
    let failed = format!("{DEBIAN}FAIL");
    let marks = [
        "MBTOOL-DEBIAN BOOT 1",
        "MBTOOL-DEBIAN CRASH",
        "Xen version 4.20",
        "this kernel saves the memory",
        "MBTOOL-DEBIAN BOOT 2",
        "MBTOOL-DEBIAN END",
    ];
    let mut times = Vec::new();
    let outcome = Machine::new(Firmware::SeaBios, &debian.kernel()?)
        .append(&DebianGuest::command_line())
        .append(&format!("quiet panic=-1 crashkernel={crashkernel}"))
        .initrd(guest)
        .disk(&debian.disk)
        .reboots()
        // the first system is meant to panic
        .failures(&[&failed, "Panic on CPU "])
        .run_with(name, DEADLINE, &[&end], &mut |at, line| {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                times.push(format!("{mark}: {:.0} s", at.as_secs_f32()));
            }
        })?
        .ended_with(&end)?;
    eprintln!("{}", times.join("\n"));
    Ok(outcome)
}

#[test]
#[ignore = "waits for crash save"]
fn crash_debian_saves_to_disk() -> Result<()> {
    let outcome = run("crash_debian_saves_to_disk", "512M")?;
    let is = |key: &str, expected: &str| -> Result<()> {
        let found = outcome.value(&format!("{DEBIAN}{key}="));
        let found = found.with_context(|| format!("the guest did not say {key}"))?;
        ensure!(
            found == expected,
            "{key} is {found:?}, expected {expected:?}"
        );
        Ok(())
    };
    is("sum", "ok")?;
    for key in ["panic", "saved-panic", "crash-panic"] {
        is(key, "Kernel panic - not syncing: sysrq triggered crash")?;
    }
    // loaded again by the boot alone
    is("unit", "active")?;
    is("enabled", "enabled")?;
    is("loaded", "1")?;
    is("left", "0")?;
    is("unloaded", "0")
}
