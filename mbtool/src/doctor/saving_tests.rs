use super::*;
use crate::doctor::CheckState;
use crate::doctor::testing::Recorded;
use std::os::unix::fs::symlink;

const CONFIG: &str = "[load]\nimage = '/boot/vmlinuz'\n";

/// A machine with this configuration.
fn recorded(config: &str) -> Recorded {
    let recorded = Recorded::new();
    recorded.put("etc/mbtool/crash.toml", config);
    recorded
}

fn find(recorded: &Recorded, id: &str) -> Check {
    let machine = recorded.machine();
    let Some(Ok(config)) = &machine.config else {
        panic!("{:?}", machine.config)
    };
    let checks = checks(&machine, config);
    let found = checks.iter().find(|check| check.id == id);
    found
        .unwrap_or_else(|| panic!("no {id}: {checks:?}"))
        .clone()
}

#[test]
fn a_dump_must_fit() {
    let copy = Collector::Copy;
    let tool = Collector::Command(vec!["makedumpfile".into(), "-l".into()]);
    for (free, collector, state) in [
        (2048, &copy, CheckState::Ok),
        (2047, &copy, CheckState::Problem),
        (2047, &tool, CheckState::Warning),
        (2048, &tool, CheckState::Ok),
    ] {
        let check = space("/var/crash", free << 20, 2048 << 20, collector);
        assert_eq!(check.state, state, "{free} {collector:?}");
        assert!(check.found.contains("2048 MiB of memory"), "{check:?}");
    }
}

#[test]
fn a_device_must_exist_and_be_mounted() {
    let machine = recorded(&format!("{CONFIG}[save]\ndevice = 'UUID=12-34'\n"));
    let check = find(&machine, "target");
    assert_eq!(check.state, CheckState::Problem);
    assert!(
        check.found.contains("UUID=12-34: there is no such"),
        "{check:?}"
    );
    machine.put("dev/vdb", "");
    machine.put("dev/disk/by-uuid/x", "");
    symlink("../../vdb", machine.root().join("dev/disk/by-uuid/12-34")).unwrap();
    let check = find(&machine, "target");
    assert_eq!(check.state, CheckState::Unknown);
    assert!(
        check
            .found
            .contains("/var/crash on UUID=12-34, which is not mounted")
    );
    machine.put("srv/a b/x", "");
    machine.put(
        "proc/self/mountinfo",
        "22 1 254:16 /sub /mnt rw - ext4 /dev/vdb rw\n\
             23 1 254:16 / /srv/a\\040b rw - ext4 /dev/vdb rw\n",
    );
    let check = find(&machine, "target");
    assert!(
        check.found.starts_with("/var/crash on UUID=12-34: "),
        "{check:?}"
    );
    assert!(check.found.contains("MiB are free"), "{check:?}");
}

#[test]
fn ssh_needs_its_files() {
    let machine = recorded(&format!(
        "{CONFIG}[save]\ntarget = 'ssh://k@host:2222/dumps'\n"
    ));
    let check = find(&machine, "target");
    assert!(check.found.contains("no ssh"), "{check:?}");
    machine.put("usr/bin/ssh", "");
    let check = find(&machine, "target");
    assert_eq!(check.state, CheckState::Problem);
    assert!(
        check.found.contains("save.identity /etc/mbtool/crash-key"),
        "{check:?}"
    );
    assert!(check.fix.unwrap().contains("ssh-keyscan -p 2222 host"));
    machine.put("etc/mbtool/crash-key", "");
    machine.put("etc/mbtool/crash-known-hosts", "");
    assert_eq!(find(&machine, "target").state, CheckState::Ok);
}

#[test]
fn the_collector_and_the_watchdog() {
    let machine = recorded(CONFIG);
    let check = find(&machine, "collector");
    assert_eq!(check.state, CheckState::Warning);
    assert_eq!(check.fix.as_deref(), Some("apt install makedumpfile"));
    machine.put("usr/bin/makedumpfile", "");
    let check = find(&machine, "collector");
    assert_eq!(check.found, "makedumpfile -l -d 31 (/usr/bin/makedumpfile)");
    assert_eq!(find(&machine, "watchdog").state, CheckState::Warning);
    machine.put("dev/watchdog", "");
    assert_eq!(find(&machine, "watchdog").state, CheckState::Ok);
    let copy = format!("{CONFIG}[save]\ncollector = 'copy'\nwatchdog = 0\n");
    let machine = recorded(&copy);
    assert_eq!(find(&machine, "collector").state, CheckState::Ok);
    assert_eq!(find(&machine, "watchdog").state, CheckState::Warning);
    let xen = "[load]\nimage='/boot/crash.img'\nkernel='/boot/crash.img'\n";
    assert_eq!(find(&recorded(xen), "watchdog").state, CheckState::Ok);
}
