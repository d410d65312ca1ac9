//! Saves a dump to a local directory.

use super::checksum;
use super::collector;
use super::context::SaveContext;
use super::device;
use super::dump_job::{DMESG, Job, NAMES, PARTIAL, RECORD, SUM, VMCORE};
use super::error::SaveError;
use super::flush::flush;
use super::mount::{self, Mounted};
use super::problem::problem;
use super::record::DumpInfo;
use super::vmcore::{Spare, collected, copied};
use crate::sys::size::Size;
use anyhow::{Context, Result};
use rustix::fs::{FsWord, statfs, statvfs};
use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Mount point of the root file system in an initramfs.
const ROOT: &str = "/root";
/// Magic numbers of file systems in memory (linux/magic.h): tmpfs, ramfs.
const IN_MEMORY: [FsWord; 2] = [0x0102_1994, 0x8584_58f6_u32 as FsWord];

/// Saves the dump to `target`. Problems are added to `record`.
///
/// # Errors
///
/// When not even a part of the dump was saved.
pub fn save(run: &SaveContext, job: &Job, target: &Path, record: &mut DumpInfo) -> Result<()> {
    let (base, mounted) = open(run, job, target)?;
    let done = into(run, job, &base, record);
    run.heartbeat.step("unmounting the disk");
    if let Some(mounted) = mounted
        && let Err(why) = mounted.undo(run)
    {
        run.console.say(format_args!(
            "the disk is synced, but not unmounted ({why})"
        ));
    }
    done
}

/// Opens the directory on a writable file system.
fn open(run: &SaveContext, job: &Job, target: &Path) -> Result<(PathBuf, Option<Mounted>)> {
    let inside = target.strip_prefix("/").unwrap_or(target);
    let (base, mounted) = match &job.save.device {
        Some(device) => {
            let node = device::find(run, device)?;
            let mounted = mount::mount(run, &node)?;
            (mounted.point.join(inside), Some(mounted))
        }
        None => {
            let root = Path::new(ROOT);
            let base = if mount::is_mount(root) {
                root.join(inside)
            } else {
                target.to_owned()
            };
            let mounted = mount::writable(run, &base)?;
            (base, mounted)
        }
    };
    fs::create_dir_all(&base).with_context(|| format!("cannot make {}", base.display()))?;
    if job.goes_down && statfs(&base).is_ok_and(|found| IN_MEMORY.contains(&found.f_type)) {
        return Err(SaveError::InMemory {
            dir: base,
            target: target.to_owned(),
        }
        .into());
    }
    Ok((base, mounted))
}

/// Saves to a new directory in `base`.
fn into(run: &SaveContext, job: &Job, base: &Path, record: &mut DumpInfo) -> Result<()> {
    let dir = new(base, job.name)?;
    let free = statvfs(&dir).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize));
    run.console.say(format_args!(
        "saving to {}: {} free, the dump has {}",
        dir.display(),
        Size(free),
        Size(job.size)
    ));
    log(run, job, &dir, record);
    let spare = Spare::hold(&dir);
    let done = dump(run, job, &dir, free, spare, record);
    if let Err(error) = &done {
        record.problems.push(format!("{error:#}"));
    }
    record.seconds = run.heartbeat.age().as_secs_f64();
    run.heartbeat.step("writing the record");
    if let Err(error) = write(run, &dir, RECORD, record.json().as_bytes()) {
        run.console.say(format_args!("{error:#}"));
    }
    for directory in [&*dir, base] {
        if let Ok(directory) = File::open(directory) {
            // not supported by every file system
            let _ = flush(run, &directory);
        }
    }
    done
}

/// Saves the kernel log first: small, and most useful.
fn log(run: &SaveContext, job: &Job, dir: &Path, record: &mut DumpInfo) {
    run.heartbeat.step("reading the kernel's log");
    let partial = dir.join(format!("{DMESG}{PARTIAL}"));
    let done = collector::dmesg(run, job.vmcore, &partial)
        .and_then(|()| Ok(fs::rename(&partial, dir.join(DMESG))?));
    match done {
        Ok(()) => {
            run.console
                .say(format_args!("saved the kernel's log, {DMESG}"));
            record.dmesg = Some(DMESG.to_owned());
        }
        Err(error) => {
            let _ = fs::remove_file(&partial);
            problem(run, record, format!("no {DMESG}: {error:#}"));
        }
    }
}

/// Saves the dump and its checksum.
fn dump(
    run: &SaveContext,
    job: &Job,
    dir: &Path,
    free: u64,
    spare: Option<Spare>,
    record: &mut DumpInfo,
) -> Result<()> {
    let partial = dir.join(format!("{VMCORE}{PARTIAL}"));
    let mut vmcore = match collected(run, job, &partial, record) {
        Some(vmcore) => vmcore,
        None => {
            if job.size > free {
                problem(
                    run,
                    record,
                    format!(
                        "the dump has {}, and {} are free: pages of zeros take no space, \
                         but it may be cut",
                        Size(job.size),
                        Size(free)
                    ),
                );
            }
            match copied(run, job, &partial, spare.is_some(), record) {
                Ok(vmcore) => vmcore,
                Err(error) => {
                    let _ = fs::remove_file(&partial);
                    return Err(error);
                }
            }
        }
    };
    vmcore.bytes = fs::metadata(&partial)?.len();
    fs::rename(&partial, dir.join(&vmcore.file))?;
    drop(spare);
    let sum = checksum::line(&vmcore.sha256, &vmcore.file);
    if let Err(error) = write(run, dir, SUM, sum.as_bytes()) {
        problem(run, record, format!("{error:#}"));
    }
    run.console.say(format_args!(
        "saved {}: {}, sha256 {}",
        vmcore.file,
        Size(vmcore.bytes),
        vmcore.sha256
    ));
    record.vmcore = Some(vmcore);
    Ok(())
}

/// Creates a new directory.
fn new(base: &Path, name: &str) -> Result<PathBuf> {
    let mut dir = base.join(name);
    // a dump has all secrets of the machine
    let mut own = DirBuilder::new();
    own.mode(0o700);
    for number in 2..NAMES {
        match own.create(&dir) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                dir = base.join(format!("{name}-{number}"));
            }
            done => {
                return done
                    .map(|()| dir.clone())
                    .with_context(|| format!("cannot make {}", dir.display()));
            }
        }
    }
    Err(SaveError::NamesTaken { dir }.into())
}

/// Writes a small file atomically.
fn write(run: &SaveContext, dir: &Path, name: &str, text: &[u8]) -> Result<()> {
    let partial = dir.join(format!("{name}{PARTIAL}"));
    let done = File::create(&partial)
        .and_then(|mut file| file.write_all(text).map(|()| file))
        .map_err(anyhow::Error::from)
        .and_then(|file| flush(run, &file))
        .and_then(|()| Ok(fs::rename(&partial, dir.join(name))?));
    done.with_context(|| format!("cannot write {}", dir.join(name).display()))
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
