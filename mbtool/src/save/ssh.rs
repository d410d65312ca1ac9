//! Saves a dump to another machine.
//!
//! The received file is readable by every tool: the output of makedumpfile, first
//! written to memory here if that is large enough, or a copy of the dump.
//! Otherwise it is in makedumpfile's flattened format, which `crash` reads, and
//! which `makedumpfile -R vmcore < vmcore.flat` converts.

use super::collector;
use super::context::SaveContext;
use super::copy::{self, Sink};
use super::dump_job::{DMESG, Job, PARTIAL, RECORD, SUM, VMCORE};
use super::error::SaveError;
use super::problem::{lost, problem};
use super::process::{ChildProcess, Output};
use super::record::{DumpInfo, Vmcore};
use super::remote::Remote;
use super::scratch::ScratchDir;
use super::{checksum, progress::Progress};
use crate::config::Collector;
use crate::config::target::Ssh;
use crate::sys::meminfo;
use crate::sys::size::Size;
use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Name of the dump in makedumpfile's flattened format.
const FLAT: &str = "vmcore.flat";
/// Maximum share of free memory for a filtered dump, in percent.
const SHARE: u64 = 60;
/// A filtered dump rarely exceeds a 20th of memory.
const FILTERED: u64 = 20;
/// Number of attempts to send a dump.
const TRIES: u32 = 3;
/// Read size from the collector in bytes.
const CHUNK: usize = 64 << 10;

/// Saves the dump to `ssh`. Problems are added to `record`.
///
/// # Errors
///
/// When the dump was not saved.
pub fn save(run: &SaveContext, job: &Job, ssh: &Ssh, record: &mut DumpInfo) -> Result<()> {
    let mut remote = Remote::new(run, job, ssh);
    remote.create()?;
    run.console.say(format_args!(
        "saving to {} on {}: the dump has {}",
        remote.dir,
        ssh.host,
        Size(job.size)
    ));
    let available = meminfo::available(Path::new("/")).unwrap_or(0) / 100 * SHARE;
    let scratch =
        ScratchDir::new(available).inspect_err(|error| run.console.say(format_args!("{error:#}")));
    let scratch = scratch.ok();
    if let Some(scratch) = &scratch {
        log(run, job, &remote, &scratch.path, record);
    }
    let done = dump(run, job, &remote, scratch.as_ref(), available, record);
    if let Err(error) = &done {
        record.problems.push(format!("{error:#}"));
    }
    record.seconds = run.heartbeat.age().as_secs_f64();
    run.heartbeat.step("sending the record");
    let sent = remote.put(RECORD, record.json().as_bytes());
    run.heartbeat.step("the other machine writes to its disk");
    if let Err(error) = remote.slow("sync") {
        run.console.say(format_args!("sync there: {error:#}"));
    }
    done.and(sent)
}

/// Saves the kernel log.
fn log(run: &SaveContext, job: &Job, remote: &Remote, scratch: &Path, record: &mut DumpInfo) {
    run.heartbeat.step("sending the kernel's log");
    let file = scratch.join(DMESG);
    let done = collector::dmesg(run, job.vmcore, &file)
        .and_then(|()| Ok(fs::read(&file)?))
        .and_then(|text| remote.put(DMESG, &text));
    let _ = fs::remove_file(&file);
    match done {
        Ok(()) => {
            run.console
                .say(format_args!("saved the kernel's log, {DMESG}"));
            record.dmesg = Some(DMESG.to_owned());
        }
        Err(error) => problem(run, record, format!("no {DMESG}: {error:#}")),
    }
}

/// Saves the dump and its checksum, with the best method that works.
fn dump(
    run: &SaveContext,
    job: &Job,
    remote: &Remote,
    scratch: Option<&ScratchDir>,
    available: u64,
    record: &mut DumpInfo,
) -> Result<()> {
    type Form<'a> = Box<dyn Fn(&mut DumpInfo) -> Result<Vmcore> + 'a>;
    let mut forms: Vec<Form> = Vec::new();
    if let Collector::Command(words) = &job.save.collector {
        let flat = collector::is_makedumpfile(words);
        match scratch {
            Some(scratch) if !flat || job.size / FILTERED <= available => {
                forms.push(Box::new(|_| {
                    collected(run, job, words, remote, &scratch.path)
                }));
            }
            _ => {}
        }
        if flat {
            forms.push(Box::new(|_| flattened(run, job, words, remote)));
        }
    }
    forms.push(Box::new(|record| copied(run, job, remote, record)));
    let last = forms.len() - 1;
    for (index, form) in forms.iter().enumerate() {
        let mut error = None;
        // all methods but the last are tried once: the failure may be specific
        // to the method
        let tries = if index == last { TRIES } else { 1 };
        for number in 0..tries {
            if number > 0 {
                remote.connect()?;
            }
            match form(record).and_then(|vmcore| arrived(run, remote, vmcore, record)) {
                Ok(vmcore) => return complete(run, remote, vmcore, record),
                Err(failed) => {
                    problem(run, record, format!("{failed:#}"));
                    error = Some(failed);
                }
            }
        }
        if index == last {
            return Err(error.unwrap_or_else(|| anyhow::anyhow!("nothing was sent")));
        }
        run.console.say("trying another method");
        remote.connect()?;
    }
    Ok(())
}

/// With the collector: to memory, and from there to the other machine.
fn collected(
    run: &SaveContext,
    job: &Job,
    words: &[String],
    remote: &Remote,
    scratch: &Path,
) -> Result<Vmcore> {
    let started = Instant::now();
    let file = scratch.join(VMCORE);
    run.heartbeat.step(&words[0]);
    collector::collect(run, words, job.vmcore, &file)?;
    run.heartbeat.step("sending the dump");
    let sent = (|| {
        let from = File::open(&file)?;
        let size = from.metadata()?.len();
        let mut sending = remote.send(&format!("{VMCORE}{PARTIAL}"))?;
        let copied = copy::copy(run, "sending", &from, size, &mut sending)?;
        sending.end()?;
        Ok::<_, anyhow::Error>(copied)
    })();
    let _ = fs::remove_file(&file);
    let sent = sent?;
    Ok(vmcore(
        job,
        VMCORE,
        words.join(" "),
        &sent.sha256,
        sent.bytes,
        started,
    ))
}

/// With makedumpfile, as a stream.
fn flattened(run: &SaveContext, job: &Job, words: &[String], remote: &Remote) -> Result<Vmcore> {
    let started = Instant::now();
    run.heartbeat.step("sending the dump by makedumpfile -F");
    run.console
        .say("sending in makedumpfile's flattened format: there is no space for a file here");
    let mut command = Command::new(&words[0]);
    command.arg("-F").args(&words[1..]).arg(job.vmcore);
    let mut collector = ChildProcess::start(run, command, Output::Raw, false)?;
    let mut sending = remote.send(&format!("{FLAT}{PARTIAL}"))?;
    let mut progress = Progress::new(run, "sending", 0);
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = collector.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        sending.take(&buffer[..count])?;
        hash.update(&buffer[..count]);
        bytes += count as u64;
        progress.add(count as u64);
    }
    collector.end(|| 0)?;
    sending.end()?;
    progress.end();
    let program = format!("{} -F", words[0]);
    ensure!(bytes > 0, SaveError::TooShort { program, bytes });
    let method = format!("{} -F {}", words[0], words[1..].join(" "));
    Ok(vmcore(
        job,
        FLAT,
        method,
        &hash.finalize().into(),
        bytes,
        started,
    ))
}

/// As a copy.
fn copied(run: &SaveContext, job: &Job, remote: &Remote, record: &mut DumpInfo) -> Result<Vmcore> {
    let started = Instant::now();
    run.heartbeat.step("sending the dump unchanged");
    let from = File::open(job.vmcore).with_context(|| job.vmcore.display().to_string())?;
    let mut sending = remote.send(&format!("{VMCORE}{PARTIAL}"))?;
    let copied = copy::copy(run, "sending", &from, job.size, &mut sending)?;
    sending.end()?;
    let path = job.vmcore.to_owned();
    let readable = copied.bytes > copied.lost.bytes;
    ensure!(readable, SaveError::Unreadable { path });
    lost(run, &copied, record);
    let bytes = copied.bytes;
    let mut vmcore = vmcore(
        job,
        VMCORE,
        "copy".to_owned(),
        &copied.sha256,
        bytes,
        started,
    );
    vmcore.lost_bytes = copied.lost.bytes;
    vmcore.lost = copied.lost.ranges;
    Ok(vmcore)
}

fn vmcore(
    job: &Job,
    file: &str,
    method: String,
    sha256: &[u8; 32],
    bytes: u64,
    started: Instant,
) -> Vmcore {
    Vmcore {
        file: file.to_owned(),
        method,
        source_bytes: job.size,
        bytes,
        sha256: checksum::hex(sha256),
        verified: false,
        seconds: started.elapsed().as_secs_f64(),
        lost_bytes: 0,
        lost: Vec::new(),
    }
}

/// Compares checksums, if the other machine can compute them.
fn arrived(
    run: &SaveContext,
    remote: &Remote,
    mut vmcore: Vmcore,
    record: &mut DumpInfo,
) -> Result<Vmcore> {
    let partial = format!("{}{PARTIAL}", vmcore.file);
    run.heartbeat
        .step("verifying the dump on the other machine");
    match remote.slow(&format!("sha256sum < {}", remote.path(&partial))) {
        Ok(said) => match said.split_whitespace().next() {
            Some(found) if found == vmcore.sha256 => vmcore.verified = true,
            found => {
                return Err(SaveError::Differs {
                    found: found.unwrap_or("nothing").to_owned(),
                    expected: vmcore.sha256,
                }
                .into());
            }
        },
        Err(error) => {
            let text = format!("the dump is not verified on the other machine: {error:#}");
            problem(run, record, text);
        }
    }
    Ok(vmcore)
}

/// Renames the received file to its final name.
fn complete(
    run: &SaveContext,
    remote: &Remote,
    vmcore: Vmcore,
    record: &mut DumpInfo,
) -> Result<()> {
    let partial = format!("{}{PARTIAL}", vmcore.file);
    remote.rename(&partial, &vmcore.file)?;
    // remove files of other methods
    for file in [VMCORE, FLAT] {
        remote.remove(&format!("{file}{PARTIAL}"));
    }
    let sum = checksum::line(&vmcore.sha256, &vmcore.file);
    remote.put(SUM, sum.as_bytes())?;
    run.console.say(format_args!(
        "saved {}: {}, sha256 {}{}",
        vmcore.file,
        Size(vmcore.bytes),
        vmcore.sha256,
        if vmcore.verified {
            ", verified there"
        } else {
            ""
        }
    ));
    record.vmcore = Some(vmcore);
    Ok(())
}

#[cfg(test)]
#[path = "ssh_tests.rs"]
mod tests;
