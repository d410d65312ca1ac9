//! An ext4 image with the files of a directory, owned by root, built without privileges by Debian's
//! own mke2fs.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::UUID;
use super::program::Program;

/// Size in bytes; most of it is sparse. Free space is for kernels, initial RAM disks and dumps.
const BYTES: u64 = 1536 << 20;

/// Parameters of the image, besides its files.
pub(super) fn recipe() -> String {
    format!("ext4 {UUID} {BYTES}\n")
}

/// Builds the image `to` from `tree` with the tools of the packages below
/// `root`.
pub(super) fn make(root: &Path, tree: &Path, to: &Path) -> Result<()> {
    let file = File::create(to).with_context(|| format!("cannot create {}", to.display()))?;
    file.set_len(BYTES)?;
    Program::new(root, "sbin/mke2fs")
        .env_path("MKE2FS_CONFIG", "etc/mke2fs.conf")
        .args(["-q", "-F", "-t", "ext4", "-L", "debian", "-U", UUID])
        .args([
            "-m",
            "0",
            "-E",
            "root_owner=0:0,nodiscard,lazy_itable_init=0",
        ])
        .arg_path("-d", tree)
        .arg_path("", to)
        .output()?;
    // mke2fs keeps the owners of the unpacked files
    let mut script = String::new();
    foreign(tree, Path::new("/"), &mut script)?;
    if !script.is_empty() {
        debugfs(root, to, &script)?;
    }
    Ok(())
}

/// Puts the file `name` with `content` into the directory `dir` of the image `to`.
pub(super) fn add(root: &Path, to: &Path, dir: &str, name: &str, content: &[u8]) -> Result<()> {
    let from = to.with_extension("add");
    fs::write(&from, content)?;
    let shown = from.display();
    let commands = format!("cd {dir}\nwrite \"{shown}\" {name}\nstat {name}\n");
    let said = debugfs(root, to, &commands)?;
    fs::remove_file(&from)?;
    // debugfs returns success after errors
    let size = format!("Size: {}", content.len());
    ensure!(
        said.lines().any(|line| line.trim_end().ends_with(&size)),
        "debugfs did not write {dir}/{name}: {said}"
    );
    Ok(())
}

/// Runs debugfs commands on the image `to`; returns its output.
fn debugfs(root: &Path, to: &Path, commands: &str) -> Result<String> {
    let file = to.with_extension("commands");
    fs::write(&file, commands)?;
    let said = Program::new(root, "sbin/debugfs")
        .args(["-w", "-f"])
        .arg_path("", &file)
        .arg_path("", to)
        .output()?;
    fs::remove_file(file)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Adds a command of debugfs for each file that is not root's.
fn foreign(dir: &Path, path: &Path, script: &mut String) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = path.join(entry.file_name());
        let shown = path.to_str().filter(|p| !p.contains(['"', '\n']));
        let shown = shown.with_context(|| format!("odd file name {}", path.display()))?;
        let meta = entry.metadata()?;
        for (field, id) in [("uid", meta.uid()), ("gid", meta.gid())] {
            if id != 0 {
                writeln!(script, "set_inode_field \"{shown}\" {field} 0")?;
            }
        }
        if meta.is_dir() {
            foreign(&entry.path(), &path, script)?;
        }
    }
    ensure!(
        script.len() < 1 << 28,
        "too many files in {}",
        dir.display()
    );
    Ok(())
}
