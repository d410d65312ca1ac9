//! `mbtool crash uninstall`.

use super::files::{self, FileState, Installed};
use super::{CONFDIR_DIR, CONFIG_FILE, DIRECTORIES, PROGRAM, UNIT, WANTED, contents};
use crate::setup::initrd::{MADE_OF, PART};
use crate::sys::output::Messages;
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};

/// Removes the files of [`install`](super::install()), and the built initrds. Edited files are
/// kept.
///
/// # Errors
///
/// When a file cannot be removed.
pub fn uninstall(root: &Path, messages: &mut Messages) -> anyhow::Result<()> {
    let mut installed = Installed::read(root)?;
    let mut found = files::unlink(root, WANTED)?;
    if found {
        messages.say(format_args!("disabled {UNIT}"));
    }
    let names = contents(Path::new(PROGRAM))
        .into_iter()
        .map(|file| file.path);
    for name in names.chain([CONFIG_FILE]) {
        let shown = root.join(name);
        match installed.remove(name)? {
            FileState::Edited => messages.say(format_args!(
                "{} was edited and is kept: remove it manually",
                shown.display()
            )),
            FileState::Absent => continue,
            FileState::Same | FileState::Ours => {
                messages.say(format_args!("removed {}", shown.display()));
            }
        }
        found = true;
    }
    for path in images(root)? {
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        messages.say(format_args!("removed {}", path.display()));
        found = true;
    }
    installed.save()?;
    // remove empty directories
    for name in DIRECTORIES.into_iter().chain([
        "etc/mbtool/initramfs/scripts/init-premount",
        "etc/mbtool/initramfs/scripts/local-premount",
        "etc/mbtool/initramfs/scripts/nfs-premount",
        "etc/mbtool/initramfs/scripts",
        CONFDIR_DIR,
        "etc/mbtool",
    ]) {
        let _ = fs::remove_dir(root.join(name));
    }
    if !found {
        messages.say("nothing was installed");
    }
    Ok(())
}

/// Returns complete and partial initrds built by `crash load`, and their records. An initrd
/// without a record is not removed.
fn images(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let dir = root.join("var/lib/mbtool");
    let Ok(entries) = fs::read_dir(&dir) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| name.starts_with("crash-")) else {
            continue;
        };
        if let Some(image) = name.strip_suffix(MADE_OF) {
            let image = dir.join(image);
            found.extend(image.is_file().then_some(image));
            found.push(path);
        } else if name.ends_with(PART) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
