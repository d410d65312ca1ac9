//! Checks of the configuration for saving a dump.

use super::Check;
use super::machine::CheckedMachine;
use super::setup::below;
use crate::config::{Collector, Config, PATH, Save};
use crate::config::{DeviceSpec, Ssh, Target};
use crate::host::map;
use crate::sys::mountinfo::{self, Mount};
use rustix::fs::statvfs;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories of programs.
const DIRECTORIES: [&str; 6] = [
    "usr/local/sbin",
    "usr/local/bin",
    "usr/sbin",
    "usr/bin",
    "sbin",
    "bin",
];

pub(super) fn checks(machine: &CheckedMachine, config: &Config) -> Vec<Check> {
    vec![
        target(machine, &config.save),
        collector(machine, &config.save),
        watchdog(machine, config),
    ]
}

/// Checks the target and its free space.
fn target(machine: &CheckedMachine, save: &Save) -> Check {
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
                    "{directory} on {device}, which is not mounted now: its free space is unknown",
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
    // the directory is created when needed
    let known = place.ancestors().find(|place| place.is_dir());
    let free = known.and_then(|place| statvfs(place).ok());
    let free = free.map(|found| found.f_bavail.saturating_mul(found.f_frsize));
    let memory = machine.host().map(|host| map::total_ram(&host.memory_map));
    match (free, memory) {
        (Some(free), Some(memory)) => space(&name, free, memory, &save.collector),
        _ => Check::unknown(
            ID,
            format!("{name}: its free space, or the memory size, is unknown"),
        ),
    }
}

/// Compares free space with the memory size.
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
        (false, Collector::Copy) => Check::problem(
            ID,
            format!("{found}, which save.collector copies unchanged"),
        )
        .fix(fix),
        (false, Collector::Command(words)) => Check::warning(
            ID,
            format!(
                "{found}; {} filters most of it, but if it fails, a plain copy does not fit",
                words.first().map_or("", String::as_str)
            ),
        )
        .fix(fix),
    }
}

/// Checks the files for SSH; the other machine is not contacted.
fn ssh_target(machine: &CheckedMachine, save: &Save, ssh: &Ssh) -> Check {
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

/// Finds a program by name.
fn program(machine: &CheckedMachine, name: &str) -> Option<PathBuf> {
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

/// Returns the device node, below `/`.
fn node(machine: &CheckedMachine, device: &DeviceSpec) -> Option<PathBuf> {
    let link = |kind: &str, value: &str| PathBuf::from(format!("/dev/disk/by-{kind}/{value}"));
    let path = match device {
        DeviceSpec::Uuid(value) => link("uuid", value),
        DeviceSpec::Label(value) => link("label", value),
        DeviceSpec::PartUuid(value) => link("partuuid", value),
        DeviceSpec::PartLabel(value) => link("partlabel", value),
        DeviceSpec::Path(path) => path.clone(),
    };
    let found = fs::canonicalize(below(machine, &path)).ok()?;
    let root = fs::canonicalize(&machine.root).ok()?;
    Some(Path::new("/").join(found.strip_prefix(root).ok()?))
}

/// Returns the mount point of the file system on `node`.
fn mounted(machine: &CheckedMachine, node: &Path) -> Option<PathBuf> {
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

/// Checks the collector.
fn collector(machine: &CheckedMachine, save: &Save) -> Check {
    const ID: &str = "collector";
    let Collector::Command(words) = &save.collector else {
        return Check::ok(ID, "the dump is copied unchanged");
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

/// Checks the watchdog.
fn watchdog(machine: &CheckedMachine, config: &Config) -> Check {
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
#[path = "saving_tests.rs"]
mod tests;
