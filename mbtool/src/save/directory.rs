//! Saves a dump to a local directory.

use super::checksum;
use super::collector;
use super::context::SaveContext;
use super::copy::{self, Sparse};
use super::device;
use super::dump_job::{DMESG, Job, NAMES, PARTIAL, RECORD, SUM, VMCORE};
use super::flush::flush;
use super::mount::{self, Mounted};
use super::record::{DumpInfo, Vmcore};
use crate::config::Collector;
use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FallocateFlags, fallocate, statfs, statvfs};
use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Mount point of the root file system in an initramfs.
const ROOT: &str = "/root";
/// Magic numbers of file systems in memory (linux/magic.h): tmpfs, ramfs.
const IN_MEMORY: [i64; 2] = [0x0102_1994, 0x8584_58f6];
/// Space left for other files if the dump fills the disk, in bytes.
const SPARE: u64 = 1 << 20;

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
        bail!(
            "{} is in memory, so that a dump there is lost: set save.device to the file system of \
             {}",
            base.display(),
            target.display()
        );
    }
    Ok((base, mounted))
}

/// Saves to a new directory in `base`.
fn into(run: &SaveContext, job: &Job, base: &Path, record: &mut DumpInfo) -> Result<()> {
    let dir = new(base, job.name)?;
    let free = statvfs(&dir).map_or(0, |found| found.f_bavail.saturating_mul(found.f_frsize));
    run.console.say(format_args!(
        "saving to {}: {} MiB free, the dump has {} MiB",
        dir.display(),
        free >> 20,
        job.size >> 20
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

/// A file that reserves space for small files until it is dropped.
#[derive(Debug)]
struct Spare(PathBuf);

impl Spare {
    fn hold(dir: &Path) -> Option<Self> {
        let spare = Self(dir.join(format!("spare{PARTIAL}")));
        let file = File::create(&spare.0).ok()?;
        // allocates blocks; not supported by every file system
        fallocate(&file, FallocateFlags::empty(), 0, SPARE).ok()?;
        Some(spare)
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
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
                        "the dump has {} MiB, and {} MiB are free: pages of zeros take no space, \
                         but it may be cut",
                        job.size >> 20,
                        free >> 20
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
        "saved {}: {} MiB, sha256 {}",
        vmcore.file,
        vmcore.bytes >> 20,
        vmcore.sha256
    ));
    record.vmcore = Some(vmcore);
    Ok(())
}

/// Saves the dump with the collector, if there is one and it succeeds.
fn collected(
    run: &SaveContext,
    job: &Job,
    partial: &Path,
    record: &mut DumpInfo,
) -> Option<Vmcore> {
    let Collector::Command(words) = &job.save.collector else {
        return None;
    };
    run.heartbeat.step(&words[0]);
    let done = collector::collect(run, words, job.vmcore, partial).and_then(|seconds| {
        run.heartbeat.step("computing the sum");
        let (sha256, _) = checksum::of_file(run, "reading it back", partial)?;
        Ok((seconds, sha256))
    });
    match done {
        Ok((seconds, sha256)) => Some(Vmcore {
            file: VMCORE.to_owned(),
            method: words.join(" "),
            source_bytes: job.size,
            bytes: 0,
            sha256: checksum::hex(&sha256),
            verified: true,
            seconds,
            lost_bytes: 0,
            lost: Vec::new(),
        }),
        Err(error) => {
            let _ = fs::remove_file(partial);
            problem(run, record, format!("{error:#}"));
            run.console.say("copying the dump unchanged instead");
            None
        }
    }
}

/// Copies the dump, as far as space permits.
fn copied(
    run: &SaveContext,
    job: &Job,
    partial: &Path,
    spare: bool,
    record: &mut DumpInfo,
) -> Result<Vmcore> {
    run.heartbeat.step("copying the dump");
    let from = File::open(job.vmcore).with_context(|| job.vmcore.display().to_string())?;
    let file = File::create(partial).with_context(|| partial.display().to_string())?;
    let copied = copy::copy(run, "copying", &from, job.size, &mut Sparse::new(&file))?;
    ensure!(
        copied.bytes > copied.lost.bytes,
        "nothing of {} can be read",
        job.vmcore.display()
    );
    let mut sha256 = copied.sha256;
    let mut verified = false;
    if copied.full {
        let cut = if spare { 0 } else { SPARE };
        let kept = copied.bytes.saturating_sub(cut);
        ensure!(kept >= SPARE, "there is no space for the dump");
        file.set_len(kept)?;
        flush(run, &file)?;
        (sha256, _) = checksum::of_file(run, "reading it back", partial)?;
        verified = true;
        let text = format!(
            "the disk is full: {} of {} MiB are kept",
            kept >> 20,
            job.size >> 20
        );
        problem(run, record, text);
    } else {
        if copied.bytes < job.size {
            let text = format!(
                "{} ends after {} of {} bytes",
                job.vmcore.display(),
                copied.bytes,
                job.size
            );
            problem(run, record, text);
        }
        flush(run, &file)?;
        if job.verify {
            run.heartbeat.step("verifying the dump");
            let (found, _) = checksum::of_file(run, "verifying", partial)?;
            verified = found == sha256;
            if !verified {
                let text = "the data read back from the disk differs from the data written: its sum is of what \
                            was written"
                    .to_owned();
                problem(run, record, text);
            }
        }
    }
    lost(run, &copied, record);
    let file = if copied.full {
        format!("{VMCORE}.incomplete")
    } else {
        VMCORE.to_owned()
    };
    Ok(Vmcore {
        file,
        method: "copy".to_owned(),
        source_bytes: job.size,
        bytes: 0,
        sha256: checksum::hex(&sha256),
        verified,
        seconds: copied.seconds,
        lost_bytes: copied.lost.bytes,
        lost: copied.lost.ranges,
    })
}

/// Reports ranges that a copy could not read.
pub fn lost(run: &SaveContext, copied: &copy::CopyResult, record: &mut DumpInfo) {
    let lost = &copied.lost;
    if let Some(first) = lost.ranges.first() {
        let text = format!(
            "{} KiB of the dump could not be read and are zeros, the first {} KiB at offset {:#x}",
            lost.bytes >> 10,
            (first.end - first.start) >> 10,
            first.start
        );
        problem(run, record, text);
    }
}

/// Reports and records a problem.
pub fn problem(run: &SaveContext, record: &mut DumpInfo, text: String) {
    run.console.say(&text);
    record.problems.push(text);
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
    bail!("cannot make {}: all names are taken", dir.display());
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
