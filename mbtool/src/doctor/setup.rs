//! Checks of the setup that loads a crash image at boot, by
//! /etc/mbtool/crash.toml.

use super::{Check, CheckedMachine, saving};
use crate::backend::xen::record;
use crate::config::{Config, LoadSection, PATH};
use crate::input;
use crate::plan::crash::xen::cmdline::no_reboot;
use crate::setup::STAMP;
use crate::setup::install::UNIT;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

pub(super) fn checks(machine: &CheckedMachine) -> Vec<Check> {
    if machine.status.backend.is_none() {
        return Vec::new();
    }
    let config = match &machine.config {
        None => {
            let found = format!("there is no {PATH}: nothing is loaded at boot, no dump is saved");
            return vec![Check::warning("setup", found).fix("mbtool crash install")];
        }
        Some(Err(err)) => return vec![Check::problem("setup", err.to_string())],
        Some(Ok(config)) => config,
    };
    let mut checks = vec![setup(machine, config), unit(machine)];
    if let Some(load) = &config.load {
        checks.push(fresh(machine, load));
    }
    checks.extend(saving::checks(machine, config));
    checks
}

/// Checks the files of the configuration.
fn setup(machine: &CheckedMachine, config: &Config) -> Check {
    const ID: &str = "setup";
    let Some(load) = &config.load else {
        return Check::problem(ID, format!("{PATH} has no [load], which names the image"));
    };
    let missing: Vec<(Key, PathBuf)> = files(machine, load)
        .into_iter()
        .filter(|(_, path)| !below(machine, path).is_file())
        .collect();
    let name = |(key, path): &(Key, PathBuf)| format!("{key} {}", path.display());
    let xens = load.kernel.as_ref().and_then(|_| no_reboot(&load.cmdline));
    match (missing.as_slice(), xens) {
        ([only @ (Key::MadeInitrd, _)], _) => {
            Check::warning(ID, format!("{PATH}: {} is not there (yet)", name(only)))
                .fix("mbtool crash load, which makes it")
        }
        (some @ [_, ..], _) => {
            let names: Vec<String> = some.iter().map(name).collect();
            let found = format!("{PATH}: {}: no such file", names.join(", "));
            let beside = some.iter().flat_map(|(_, path)| beside(machine, path));
            let beside: Vec<String> = beside.collect();
            match beside.is_empty() {
                true => Check::problem(ID, found),
                false => {
                    let fix = format!("name what is there in {PATH}: {}", beside.join(", "));
                    Check::problem(ID, found).fix(fix)
                }
            }
        }
        ([], Some(word)) => Check::warning(
            ID,
            format!("{PATH}: load.cmdline has {word}: a crash Xen that fails hangs the machine"),
        )
        .fix(format!("remove {word} from load.cmdline")),
        ([], None) => Check::ok(ID, format!("{PATH}: all files that it names are there")),
    }
}

/// A key of crash.toml that names a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Image,
    Kernel,
    Initrd,
    /// The one that `mbtool crash load` makes.
    MadeInitrd,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "load.image",
            Self::Kernel => "load.kernel",
            Self::Initrd | Self::MadeInitrd => "load.initrd",
        })
    }
}

/// Returns the files to load, by key.
fn files(machine: &CheckedMachine, load: &LoadSection) -> Vec<(Key, PathBuf)> {
    let release = machine.release().unwrap_or_default();
    let mut files = vec![(Key::Image, load.image.expand(&release))];
    let kernel = load.kernel.as_ref();
    files.extend(kernel.map(|path| (Key::Kernel, path.expand(&release))));
    let initrds = load.initrds(&release).into_iter();
    files.extend(initrds.map(|path| (Key::Initrd, path)));
    if let Some((key @ Key::Initrd, _)) = files.last_mut() {
        *key = Key::MadeInitrd;
    }
    files
}

/// Files beside one that is missing, as paths of the machine.
fn beside(machine: &CheckedMachine, path: &Path) -> Vec<String> {
    let dir = path.parent().unwrap_or(path);
    let names = input::beside(&below(machine, path)).into_iter();
    names
        .filter_map(|found| {
            let name = Path::new(&found).file_name()?;
            Some(dir.join(name).display().to_string())
        })
        .collect()
}

/// Returns an absolute path below the machine's root.
pub(super) fn below(machine: &CheckedMachine, path: &Path) -> PathBuf {
    machine.root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Checks that systemd loads it at boot.
fn unit(machine: &CheckedMachine) -> Check {
    const ID: &str = "unit";
    let there = |path: &str| machine.root.join(path).symlink_metadata().is_ok();
    if !there("run/systemd/system") {
        return Check::unknown(
            ID,
            "systemd does not run here: something else has to load at boot",
        )
        .fix("call `mbtool crash load` at boot");
    }
    let installed = ["etc", "usr/lib", "lib"];
    let installed = installed
        .iter()
        .any(|dir| there(&format!("{dir}/systemd/system/{UNIT}")));
    if !installed {
        let found = format!("{UNIT} is not installed: nothing is loaded at boot");
        return Check::problem(ID, found).fix("mbtool crash install");
    }
    let wants = fs::read_dir(machine.root.join("etc/systemd/system"));
    let enabled = wants.into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let kind = name.ends_with(".wants") || name.ends_with(".requires");
        kind && entry.path().join(UNIT).symlink_metadata().is_ok()
    });
    if !enabled {
        let found = format!("{UNIT} is installed, but not enabled: nothing is loaded at boot");
        return Check::problem(ID, found).fix(format!("systemctl enable --now {UNIT}"));
    }
    match started(machine) {
        Some(_) => Check::ok(ID, format!("{UNIT} is enabled, and has been started")),
        None => Check::warning(
            ID,
            format!("{UNIT} is enabled, but not started, or its start failed"),
        )
        .fix(format!("journalctl -b -u {UNIT}; systemctl restart {UNIT}")),
    }
}

/// Returns the start time of the unit, in seconds since 1970.
fn started(machine: &CheckedMachine) -> Option<u64> {
    // systemd keeps a link for each active unit
    let link = format!("run/systemd/units/invocation:{UNIT}");
    let link = machine.root.join(link).symlink_metadata().ok()?;
    seconds(&link)
}

/// Returns the time when `crash load` had finished; it may have built the
/// initrd before.
fn stamped(machine: &CheckedMachine) -> Option<u64> {
    seconds(&fs::metadata(machine.root.join(STAMP)).ok()?)
}

/// Time of the last change, in seconds since 1970.
fn seconds(data: &fs::Metadata) -> Option<u64> {
    let time = data.modified().ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// Checks that the files have not changed since they were loaded.
fn fresh(machine: &CheckedMachine, load: &LoadSection) -> Check {
    const ID: &str = "fresh";
    let by_xen = machine.status.xen_kexec.as_ref();
    let by_xen = by_xen.map(|xen| xen.crash.loaded.as_ref().map(|loaded| loaded.time));
    let loaded = match (by_xen, machine.status.kernel.crash_loaded) {
        (Some(time), _) => time,
        (None, Some(true)) => stamped(machine).or_else(|| started(machine)),
        (None, _) => None,
    };
    let Some(loaded) = loaded else {
        return Check::unknown(
            ID,
            "the time of the load is unknown: not compared with the files",
        );
    };
    let mut changed: Vec<String> = files(machine, load)
        .into_iter()
        .map(|(key, path)| (key.to_string(), path))
        .chain([("the configuration".to_owned(), PathBuf::from(PATH))])
        .filter(|(_, path)| {
            let data = fs::metadata(below(machine, path)).ok();
            data.as_ref()
                .and_then(seconds)
                .is_some_and(|time| time > loaded)
        })
        .map(|(key, path)| format!("{key} {}", path.display()))
        .collect();
    changed.sort_unstable();
    let age = record::now().saturating_sub(loaded) / 60;
    match changed.is_empty() {
        true => Check::ok(
            ID,
            format!("loaded {age} min ago, no file has changed since"),
        ),
        false => Check::warning(
            ID,
            format!(
                "changed since the crash image was loaded: {}",
                changed.join(", ")
            ),
        )
        .fix("mbtool crash load"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckState;
    use crate::doctor::testing::Recorded;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    const CONFIG: &str = "[load]\nimage = '/boot/vmlinuz-{release}'\ninitrd = '/boot/crash.img'\n";

    /// A machine with this configuration and its files.
    fn recorded(config: &str) -> Recorded {
        let recorded = Recorded::new();
        recorded.put("etc/mbtool/crash.toml", config);
        recorded.put("boot/vmlinuz-6.1.0-50-amd64", "");
        recorded.put("boot/crash.img", "");
        recorded
    }

    fn find(recorded: &Recorded, id: &str) -> Check {
        let checks = checks(&recorded.machine());
        let found = checks.iter().find(|check| check.id == id);
        found
            .unwrap_or_else(|| panic!("no {id}: {checks:?}"))
            .clone()
    }

    #[test]
    fn without_a_configuration_there_is_one_check() {
        let recorded = Recorded::new();
        let all = checks(&recorded.machine());
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].id, all[0].state), ("setup", CheckState::Warning));
        recorded.put("etc/mbtool/crash.toml", "[load]\nimage = 7\n");
        let all = checks(&recorded.machine());
        assert_eq!((all.len(), all[0].state), (1, CheckState::Problem));
        assert!(all[0].found.contains("line 2"), "{all:?}");
    }

    #[test]
    fn files_of_the_configuration_must_exist() {
        let machine = recorded(CONFIG);
        assert_eq!(find(&machine, "setup").state, CheckState::Ok);
        machine.remove("boot/crash.img");
        let check = find(&machine, "setup");
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.fix.unwrap().contains("crash load"));
        machine.remove("boot/vmlinuz-6.1.0-50-amd64");
        let check = find(&machine, "setup");
        assert_eq!(check.state, CheckState::Problem);
        let name = "load.image /boot/vmlinuz-6.1.0-50-amd64";
        assert!(check.found.contains(name), "{check:?}");
        let machine = recorded("[save]\ntarget = '/var/crash'\n");
        assert_eq!(find(&machine, "setup").state, CheckState::Problem);
        let machine = recorded("[load]\nimage = '/boot/vmlinuz'\n");
        let check = find(&machine, "setup");
        assert_eq!(check.state, CheckState::Problem);
        let fix = check.fix.unwrap();
        assert!(fix.ends_with(": /boot/vmlinuz-6.1.0-50-amd64"), "{fix}");
        // only the last of several initrds is made
        let several = CONFIG.replace("'/boot/crash.img'", "['/boot/ucode', '/boot/crash.img']");
        let machine = recorded(&several);
        machine.remove("boot/crash.img");
        let check = find(&machine, "setup");
        assert_eq!(check.state, CheckState::Problem);
        machine.put("boot/ucode", "");
        let check = find(&machine, "setup");
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.fix.unwrap().contains("crash load"));
        let xen = "[load]\nimage='/boot/crash.img'\nkernel='/boot/crash.img'\ncmdline='noreboot'\n";
        let check = find(&recorded(xen), "setup");
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.found.contains("noreboot"), "{check:?}");
    }

    #[test]
    fn the_unit_is_installed_enabled_and_started() {
        let machine = recorded(CONFIG);
        assert_eq!(find(&machine, "unit").state, CheckState::Unknown);
        machine.put("run/systemd/system/x", "");
        assert!(find(&machine, "unit").found.contains("not installed"));
        machine.put(&format!("etc/systemd/system/{UNIT}"), "");
        let check = find(&machine, "unit");
        assert_eq!(check.state, CheckState::Problem);
        assert!(check.fix.unwrap().contains("systemctl enable"));
        // a dangling link
        machine.put("etc/systemd/system/multi-user.target.wants/x", "");
        let link = format!("etc/systemd/system/multi-user.target.wants/{UNIT}");
        symlink("/nowhere", machine.root().join(link)).unwrap();
        assert_eq!(find(&machine, "unit").state, CheckState::Warning);
        machine.put("run/systemd/units/x", "");
        let link = format!("run/systemd/units/invocation:{UNIT}");
        symlink("0123", machine.root().join(link)).unwrap();
        assert_eq!(find(&machine, "unit").state, CheckState::Ok);
    }

    #[test]
    fn files_newer_than_the_load_are_reported() {
        let machine = recorded(CONFIG);
        assert_eq!(find(&machine, "fresh").state, CheckState::Unknown);
        machine.put("sys/kernel/kexec_crash_loaded", "1\n");
        machine.put("run/systemd/units/x", "");
        let link = format!("run/systemd/units/invocation:{UNIT}");
        symlink("0123", machine.root().join(link)).unwrap();
        let at = |path: &str, seconds: u64| {
            let file = fs::File::options()
                .append(true)
                .open(machine.root().join(path));
            let time = SystemTime::now() - Duration::from_secs(3600) + Duration::from_secs(seconds);
            file.unwrap().set_modified(time).unwrap();
        };
        for path in [
            "boot/vmlinuz-6.1.0-50-amd64",
            "boot/crash.img",
            "etc/mbtool/crash.toml",
        ] {
            at(path, 0);
        }
        assert_eq!(find(&machine, "fresh").state, CheckState::Ok);
        at("boot/crash.img", 7200);
        let check = find(&machine, "fresh");
        assert_eq!(check.state, CheckState::Warning);
        // built by the load itself, which ended later
        machine.put(STAMP, "");
        at(STAMP, 7201);
        assert_eq!(find(&machine, "fresh").state, CheckState::Ok);
        at("boot/crash.img", 7300);
        let check = find(&machine, "fresh");
        assert_eq!(check.state, CheckState::Warning);
        assert!(
            check.found.ends_with("loaded: load.initrd /boot/crash.img"),
            "{check:?}"
        );
    }
}
