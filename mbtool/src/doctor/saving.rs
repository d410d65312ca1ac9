//! Where a dump goes: what the crash kernel is told by the configuration.

use super::Check;
use super::machine::Machine;
use super::setup::below;
use crate::config::{Collector, Config, PATH, Save};
use crate::config::{Device, Ssh, Target};
use crate::host::map;
use crate::sys::mountinfo::{self, Mount};
use rustix::fs::statvfs;
use std::fs;
use std::path::{Path, PathBuf};

/// Where programs are.
const DIRECTORIES: [&str; 6] = [
    "usr/local/sbin",
    "usr/local/bin",
    "usr/sbin",
    "usr/bin",
    "sbin",
    "bin",
];

pub(super) fn checks(machine: &Machine, config: &Config) -> Vec<Check> {
    vec![
        target(machine, &config.save),
        collector(machine, &config.save),
        watchdog(machine, config),
    ]
}

/// Where a dump goes, and whether it fits there.
fn target(machine: &Machine, save: &Save) -> Check {
    const ID: &str = "target";
    let directory = match &save.target {
        Target::Ssh(ssh) => return ssh_target(machine, save, ssh),
        Target::Directory(directory) => directory,
    };
    let place = match &save.device {
        None => below(machine, directory),
        Some(device) => {
            let Some(node) = node(machine, device) else {
                let found = format!("{device}: there is no such device");
                return Check::problem(ID, found).fix(format!("correct save.device in {PATH}"));
            };
            let Some(point) = mounted(machine, &node) else {
                let found = format!(
                    "{directory} on {device}, which is not mounted now: its free space is not known",
                    directory = directory.display()
                );
                return Check::unknown(ID, found).fix("mount it, and run mbtool doctor again");
            };
            below(machine, &point).join(directory.strip_prefix("/").unwrap_or(directory))
        }
    };
    let on = save.device.as_ref();
    let on = on.map_or_else(String::new, |device| format!(" on {device}"));
    let name = format!("{}{on}", directory.display());
    // it is made when it is needed
    let known = place.ancestors().find(|place| place.is_dir());
    let free = known.and_then(|place| statvfs(place).ok());
    let free = free.map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    let memory = machine.host().map(|host| map::total_ram(&host.memory_map));
    match (free, memory) {
        (Some(free), Some(memory)) => space(&name, free, memory, &save.collector),
        _ => Check::unknown(
            ID,
            format!("{name}: its free space, or memory's size, is not known"),
        ),
    }
}

/// Compares.
fn space(name: &str, free: u64, memory: u64, collector: &Collector) -> Check {
    const ID: &str = "target";
    let found = format!(
        "{name}: {} MiB are free, the machine has {} MiB of memory",
        free >> 20,
        memory >> 20
    );
    let fix = "free some space, or give another save.target";
    match (free >= memory, collector) {
        (true, _) => Check::ok(ID, found),
        (false, Collector::Copy) => {
            Check::problem(ID, format!("{found}, which save.collector copies as it is")).fix(fix)
        }
        (false, Collector::Command(words)) => Check::warning(
            ID,
            format!(
                "{found}; {} leaves most of it out, but a plain copy, should it fail, does not fit",
                words.first().map_or("", String::as_str)
            ),
        )
        .fix(fix),
    }
}

/// What SSH needs here; whether the other machine answers is not tried.
fn ssh_target(machine: &Machine, save: &Save, ssh: &Ssh) -> Check {
    const ID: &str = "target";
    if program(machine, "ssh").is_none() {
        return Check::problem(ID, format!("{ssh}: there is no ssh on this machine"))
            .fix("apt install openssh-client");
    }
    let keys = [
        ("save.identity", &save.identity),
        ("save.known-hosts", &save.known_hosts),
    ];
    let missing: Vec<String> = keys
        .iter()
        .filter(|(_, path)| fs::metadata(below(machine, path)).is_err())
        .map(|(key, path)| format!("{key} {}", path.display()))
        .collect();
    match missing.is_empty() {
        true => Check::ok(ID, format!("{ssh}: ssh, key and known hosts are there; not tried")),
        false => Check::problem(
            ID,
            format!("{ssh}: {}: cannot be read", missing.join(" and ")),
        )
        .fix(format!(
            "ssh-keygen -t ed25519 -N '' -f {}; ssh-keyscan -p {} {} > {}; and the key's .pub to the \
             other machine",
            save.identity.display(),
            ssh.port,
            ssh.host,
            save.known_hosts.display()
        )),
    }
}

/// A program of this name.
fn program(machine: &Machine, name: &str) -> Option<PathBuf> {
    if name.starts_with('/') {
        let path = PathBuf::from(name);
        return below(machine, &path).is_file().then_some(path);
    }
    let all = DIRECTORIES.iter().map(|dir| Path::new(dir).join(name));
    let found = all
        .into_iter()
        .find(|path| machine.root.join(path).is_file())?;
    Some(Path::new("/").join(found))
}

/// The device's node, below `/`.
fn node(machine: &Machine, device: &Device) -> Option<PathBuf> {
    let link = |kind: &str, value: &str| PathBuf::from(format!("/dev/disk/by-{kind}/{value}"));
    let path = match device {
        Device::Uuid(value) => link("uuid", value),
        Device::Label(value) => link("label", value),
        Device::PartUuid(value) => link("partuuid", value),
        Device::PartLabel(value) => link("partlabel", value),
        Device::Path(path) => path.clone(),
    };
    let found = fs::canonicalize(below(machine, &path)).ok()?;
    let root = fs::canonicalize(&machine.root).ok()?;
    Some(Path::new("/").join(found.strip_prefix(root).ok()?))
}

/// Where all of the file system on `node` is mounted.
fn mounted(machine: &Machine, node: &Path) -> Option<PathBuf> {
    let root = fs::canonicalize(&machine.root).ok()?;
    let mounts = mountinfo::read(&machine.root).ok()?;
    let whole = |mount: &Mount| {
        let real = fs::canonicalize(below(machine, &mount.source)).ok();
        let real = real.and_then(|real| Some(Path::new("/").join(real.strip_prefix(&root).ok()?)));
        let same = mount.source == node || real.as_deref() == Some(node);
        same && mount.root == Path::new("/")
    };
    mounts.into_iter().find(whole).map(|mount| mount.point)
}

/// What reads a dump.
fn collector(machine: &Machine, save: &Save) -> Check {
    const ID: &str = "collector";
    let Collector::Command(words) = &save.collector else {
        return Check::ok(ID, "the dump is copied as it is");
    };
    let name = words.first().map_or("", String::as_str);
    match program(machine, name) {
        Some(path) => Check::ok(ID, format!("{} ({})", words.join(" "), path.display())),
        None => {
            let found = format!("there is no {name} on this machine: a plain copy will be made");
            let package = name.rsplit('/').next().unwrap_or(name);
            Check::warning(ID, found).fix(format!("apt install {package}"))
        }
    }
}

/// What resets the machine when saving hangs.
fn watchdog(machine: &Machine, config: &Config) -> Check {
    const ID: &str = "watchdog";
    let seconds = config.save.watchdog;
    let xen = config
        .load
        .as_ref()
        .is_some_and(|load| load.kernel.is_some());
    let device = ["dev/watchdog", "dev/watchdog0"];
    let device = device.iter().find(|path| machine.root.join(path).exists());
    match (seconds, device) {
        (0, _) => Check::warning(
            ID,
            "save.watchdog is 0: saving that hangs, hangs the machine",
        )
        .fix(format!("watchdog = 60 in {PATH}")),
        (_, Some(device)) => Check::ok(ID, format!("/{device}, {seconds} s")),
        (_, None) if xen => Check::ok(ID, format!("Xen's own, {seconds} s")),
        (_, None) => Check::warning(
            ID,
            "there is no /dev/watchdog: saving that hangs, hangs the machine, unless the crash \
             kernel finds one",
        )
        .fix("load the driver of the machine's watchdog, or softdog"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;
    use crate::doctor::testing::Recorded;
    use std::os::unix::fs::symlink;

    const CONFIG: &str = "[load]\nimage = '/boot/vmlinuz'\n";

    /// With this configuration.
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
            (2048, &copy, State::Ok),
            (2047, &copy, State::Problem),
            (2047, &tool, State::Warning),
            (2048, &tool, State::Ok),
        ] {
            let check = space("/var/crash", free << 20, 2048 << 20, collector);
            assert_eq!(check.state, state, "{free} {collector:?}");
            assert!(check.found.contains("2048 MiB of memory"), "{check:?}");
        }
    }

    #[test]
    fn a_device_is_there_and_mounted() {
        let machine = recorded(&format!("{CONFIG}[save]\ndevice = 'UUID=12-34'\n"));
        let check = find(&machine, "target");
        assert_eq!(check.state, State::Problem);
        assert!(
            check.found.contains("UUID=12-34: there is no such"),
            "{check:?}"
        );
        machine.put("dev/vdb", "");
        machine.put("dev/disk/by-uuid/x", "");
        symlink("../../vdb", machine.root().join("dev/disk/by-uuid/12-34")).unwrap();
        let check = find(&machine, "target");
        assert_eq!(check.state, State::Unknown);
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
        assert_eq!(check.state, State::Problem);
        assert!(
            check.found.contains("save.identity /etc/mbtool/crash-key"),
            "{check:?}"
        );
        assert!(check.fix.unwrap().contains("ssh-keyscan -p 2222 host"));
        machine.put("etc/mbtool/crash-key", "");
        machine.put("etc/mbtool/crash-known-hosts", "");
        assert_eq!(find(&machine, "target").state, State::Ok);
    }

    #[test]
    fn the_collector_and_the_watchdog() {
        let machine = recorded(CONFIG);
        let check = find(&machine, "collector");
        assert_eq!(check.state, State::Warning);
        assert_eq!(check.fix.as_deref(), Some("apt install makedumpfile"));
        machine.put("usr/bin/makedumpfile", "");
        let check = find(&machine, "collector");
        assert_eq!(check.found, "makedumpfile -l -d 31 (/usr/bin/makedumpfile)");
        assert_eq!(find(&machine, "watchdog").state, State::Warning);
        machine.put("dev/watchdog", "");
        assert_eq!(find(&machine, "watchdog").state, State::Ok);
        let copy = format!("{CONFIG}[save]\ncollector = 'copy'\nwatchdog = 0\n");
        let machine = recorded(&copy);
        assert_eq!(find(&machine, "collector").state, State::Ok);
        assert_eq!(find(&machine, "watchdog").state, State::Warning);
        let xen = "[load]\nimage='/boot/crash.img'\nkernel='/boot/crash.img'\n";
        assert_eq!(find(&recorded(xen), "watchdog").state, State::Ok);
    }
}
