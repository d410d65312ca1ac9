//! The dump in a directory: what the collector makes of it, or a copy as far as the space suffices.

use super::checksum;
use super::collector;
use super::context::SaveContext;
use super::copy::{self, Sparse};
use super::dump_job::{Job, PARTIAL, VMCORE};
use super::error::SaveError;
use super::flush::flush;
use super::problem::{lost, problem};
use super::record::{DumpInfo, Vmcore};
use crate::config::Collector;
use crate::sys::size::Size;
use anyhow::{Context, Result, ensure};
use rustix::fs::{FallocateFlags, fallocate};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Space left for other files if the dump fills the disk, in bytes.
const SPARE: u64 = 1 << 20;

/// Name of the step that copies the dump.
pub(super) const COPY: &str = "copying the dump";

/// A file that reserves space for small files until it is dropped.
#[derive(Debug)]
pub(super) struct Spare(PathBuf);

impl Spare {
    pub(super) fn hold(dir: &Path) -> Option<Self> {
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

/// Saves the dump with the collector, if there is one and it succeeds.
pub(super) fn collected(
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
pub(super) fn copied(
    run: &SaveContext,
    job: &Job,
    partial: &Path,
    spare: bool,
    record: &mut DumpInfo,
) -> Result<Vmcore> {
    run.heartbeat.step(COPY);
    let from = File::open(job.vmcore).with_context(|| job.vmcore.display().to_string())?;
    let file = File::create(partial).with_context(|| partial.display().to_string())?;
    let copied = copy::copy(run, "copying", &from, job.size, &mut Sparse::new(&file))?;
    let path = job.vmcore.to_owned();
    let readable = copied.bytes > copied.lost.bytes;
    ensure!(readable, SaveError::Unreadable { path });
    let mut sha256 = copied.sha256;
    let mut verified = false;
    if copied.full {
        let cut = if spare { 0 } else { SPARE };
        let kept = copied.bytes.saturating_sub(cut);
        ensure!(kept >= SPARE, SaveError::NoSpace);
        file.set_len(kept)?;
        flush(run, &file)?;
        (sha256, _) = checksum::of_file(run, "reading it back", partial)?;
        verified = true;
        let text = format!(
            "the disk is full: {} of {} are kept",
            Size(kept),
            Size(job.size)
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
