//! Waits for the disk of the dump, and finds it by identifier.
//!
//! By udev's links, else with blkid or findfs, if an initramfs has one of them
//! but no udev.

use super::context::SaveContext;
use super::error::SaveError;
use super::process::{self, Output};
use crate::config::target::DeviceSpec;
use anyhow::Result;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Waits for `device`, and returns its node.
///
/// # Errors
///
/// When it does not appear in time.
pub fn find(run: &SaveContext, device: &DeviceSpec) -> Result<PathBuf> {
    run.heartbeat.step("waiting for the disk");
    let mut told = false;
    let found = run.until(run.limits.device, || {
        let found = look(run, device, Path::new("/"));
        if found.is_none() && !told {
            told = true;
            let seconds = run.limits.device.as_secs();
            run.console.say(format_args!(
                "waiting for the disk {device}, at most {seconds} s"
            ));
        }
        Ok(found)
    })?;
    let seconds = run.limits.device.as_secs();
    let missing = || SaveError::NoDisk {
        device: device.clone(),
        seconds,
        disks: disks(),
    };
    Ok(found.ok_or_else(missing)?)
}

fn look(run: &SaveContext, device: &DeviceSpec, root: &Path) -> Option<PathBuf> {
    let path = match device {
        DeviceSpec::Path(path) => path.clone(),
        _ => link(device),
    };
    let below = root.join(path.strip_prefix("/").unwrap_or(&path));
    if let Ok(node) = fs::canonicalize(&below)
        && fs::metadata(&node).is_ok_and(|found| found.file_type().is_block_device())
    {
        return Some(node);
    }
    if matches!(device, DeviceSpec::Path(_)) {
        return None;
    }
    let word = device.to_string();
    for (program, args) in [
        ("blkid", &["-l", "-o", "device", "-t"][..]),
        ("findfs", &[]),
    ] {
        let mut command = Command::new(program);
        command.args(args).arg(&word);
        let Ok(said) = process::run(run, command, Output::Keep, || 0) else {
            continue;
        };
        let said = String::from_utf8_lossy(&said);
        let node = PathBuf::from(said.lines().next().unwrap_or_default().trim());
        if fs::metadata(&node).is_ok_and(|found| found.file_type().is_block_device()) {
            return Some(node);
        }
    }
    None
}

/// Returns the link that udev makes.
fn link(device: &DeviceSpec) -> PathBuf {
    let (by, value) = match device {
        DeviceSpec::Uuid(value) => ("by-uuid", value),
        DeviceSpec::Label(value) => ("by-label", value),
        DeviceSpec::PartUuid(value) => ("by-partuuid", value),
        DeviceSpec::PartLabel(value) => ("by-partlabel", value),
        DeviceSpec::Path(path) => return path.clone(),
    };
    Path::new("/dev/disk").join(by).join(escape(value))
}

/// Encodes a label as udev does for a file name (systemd,
/// udev_util_encode_string).
fn escape(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "#+-.:=@_".contains(c) || !c.is_ascii();
    let mut name = String::new();
    for c in value.chars() {
        if plain(c) {
            name.push(c);
        } else {
            name += &format!("\\x{:02x}", u32::from(c));
        }
    }
    name
}

/// Names of the existing disks, for a message.
fn disks() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/block").into_iter().flatten();
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("loop") && !name.starts_with("ram"))
        .collect();
    names.sort();
    names.truncate(40);
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::save::context::testing;

    #[test]
    fn links_are_the_same_as_udevs() {
        let link = |text: &str| {
            let device = DeviceSpec::try_from(text.to_owned()).unwrap();
            link(&device).display().to_string()
        };
        assert_eq!(link("UUID=0a1b-2c"), "/dev/disk/by-uuid/0a1b-2c");
        assert_eq!(link("LABEL=my dumps"), r"/dev/disk/by-label/my\x20dumps");
        assert_eq!(link("PARTUUID=1-02"), "/dev/disk/by-partuuid/1-02");
        assert_eq!(link("/dev/vda"), "/dev/vda");
    }

    #[test]
    fn a_device_that_does_not_appear_is_named() {
        let (run, heard) = testing::run();
        let device = DeviceSpec::Path("/dev/no-such-disk".into());
        let error = find(&run, &device).unwrap_err();
        assert!(
            matches!(error.downcast_ref(), Some(SaveError::NoDisk { device: named, .. })
                if *named == device),
            "{error}"
        );
        assert!(heard.text().contains("/dev/no-such-disk"));
        // a file that is not a disk
        let device = DeviceSpec::Path("/dev/null".into());
        assert!(find(&run, &device).is_err());
    }
}
