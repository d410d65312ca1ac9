//! Machines that have been booted up to a first stage that waits for the files of a test, and
//! saved: the memory as a file that each run maps copy-on-write, and the state of CPUs and devices
//! as QEMU migrates it.
//!
//! They are kept in the cache directory under digests of their inputs.

mod key;
mod slot;
mod store;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use images::guest::{STAGE1, Stage1Initrd, WAITING};
use images::progress::say;
use serde_json::json;

use crate::clock::Clock;
use crate::machine::{Machine, Memory};
use crate::process::spawn;
use crate::qmp::{Qmp, TEMPLATE_SOCKET};
use crate::serial::LineFollower;
use crate::times::{self, StartKind, TimeParts};
use slot::MemorySlot;

/// About ten times the duration of a boot on two free cores, in the machine's own
/// time.
const DEADLINE: Duration = Duration::from_secs(120);

/// QEMU answers on its monitor a moment after its start.
const CONNECT: Duration = Duration::from_secs(20);

/// A state of less than a MiB is read.
const RESTORED: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(20);

/// Files of a template. The one with the offsets of the slot is written last.
const RAM: &str = "ram";
const STATE: &str = "state";
const LOG: &str = "serial.log";
const PAGES: &str = "pages";

/// A waiting machine in the cache directory, which is not removed while this value exists.
#[derive(Debug)]
pub struct Template {
    dir: PathBuf,
    slot: MemorySlot,
    /// Holds the lock.
    _lock: File,
}

impl Template {
    /// Returns the template of `machine`, made if there is none; `None` while another process makes
    /// it. `name` is for messages.
    pub fn of(machine: &Machine, name: &str) -> Result<Option<Self>> {
        let initrd = machine.stage1_initrd()?;
        let initrd = &initrd.context("a machine without a first stage has no template")?;
        ensure!(
            MemorySlot::takes(&initrd.files),
            "the files of the test have {} bytes, which is more than a template takes",
            initrd.files.len()
        );
        let key = key::of(machine, initrd)?;
        let store = store::Store::open()?;
        let Some(place) = store.place(&key)? else {
            return Ok(None);
        };
        let place = match place {
            store::TemplatePlace::Kept(dir, lock) => return Self::open(dir, lock).map(Some),
            store::TemplatePlace::New(place) => place,
        };
        say(name, format_args!("making the template {key}"));
        make(machine, initrd, place.part())?;
        let (dir, lock) = place.keep()?;
        Self::open(dir, lock).map(Some)
    }

    fn open(dir: PathBuf, lock: File) -> Result<Self> {
        let path = dir.join(PAGES);
        let shown = || path.display().to_string();
        let pages = fs::read(&path).with_context(shown)?;
        Ok(Self {
            slot: MemorySlot::from_bytes(&pages).with_context(shown)?,
            dir,
            _lock: lock,
        })
    }

    /// Its name in the cache directory.
    pub fn key(&self) -> String {
        let name = self.dir.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Its memory.
    pub fn ram(&self) -> PathBuf {
        self.dir.join(RAM)
    }

    /// Returns the serial output before the machine was saved.
    pub fn log(&self) -> Result<Vec<u8>> {
        let path = self.dir.join(LOG);
        fs::read(&path).with_context(|| path.display().to_string())
    }

    /// Restores the machine in the process `qemu`, which was started in `dir` with this memory, and lets it run with `files`,
    /// the cpio archive of a test.
    pub fn restore(&self, qemu: u32, dir: &Path, files: &[u8]) -> Result<()> {
        let mut qmp = monitor(dir)?;
        self.slot.fill(qemu, &self.ram(), files)?;
        // it runs as soon as its state is complete, since it was running when
        // it was saved
        qmp.run("migrate-incoming", json!({ "uri": self.state() }))?;
        let deadline = Instant::now() + RESTORED;
        loop {
            match qmp.status()?.as_str() {
                "running" => return Ok(()),
                "inmigrate" if Instant::now() < deadline => thread::sleep(POLL / 4),
                other => bail!("the restored machine is {other:?}"),
            }
        }
    }

    fn state(&self) -> String {
        format!("file:{}", self.dir.join(STATE).display())
    }
}

/// The monitor of QEMU in `dir`, for a machine whose memory is a file, not part of its saved state.
fn monitor(dir: &Path) -> Result<Qmp> {
    let mut qmp = Qmp::connect_to(dir, TEMPLATE_SOCKET, CONNECT)?;
    let ignore = json!([{ "capability": "x-ignore-shared", "state": true }]);
    qmp.run(
        "migrate-set-capabilities",
        json!({ "capabilities": ignore }),
    )?;
    Ok(qmp)
}

/// Boots the machine into a first stage that waits, and saves it in `dir`.
fn make(machine: &Machine, initrd: &Stage1Initrd, dir: &Path) -> Result<()> {
    let whole = [&initrd.base[..], &slot::archive(&initrd.base)?].concat();
    let machine = machine.clone().quiet().initrd(whole);
    machine.prepare(dir)?;
    let ram = dir.join(RAM);
    let qemu_log = dir.join("qemu.log");
    let mut command = machine.command(dir, Memory::Saved(&ram))?;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&qemu_log)?);
    let started = Instant::now();
    let mut qemu = spawn(command)?;
    let mut clock = Clock::new(qemu.0.id());
    let booted = wait(&machine, &mut qemu.0, &mut clock, dir).and_then(|()| save(dir));
    let wall = started.elapsed();
    times::ran(times::Ran {
        kind: StartKind::Template,
        parts: TimeParts {
            booting: wall,
            ..TimeParts::default()
        },
        starved: wall.saturating_sub(clock.elapsed()),
        cpu: clock.ran(),
    });
    drop(qemu);
    booted.with_context(|| {
        let read = |path: &Path| {
            let bytes = fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(10)..].join("\n")
        };
        format!("{}\n{}", read(&dir.join(LOG)), read(&qemu_log))
    })?;
    let slot = MemorySlot::find(&File::open(&ram)?)?;
    // files that a restored machine does not use
    for name in ["initrd", "xen", "vmlinuz", TEMPLATE_SOCKET] {
        let _ = fs::remove_file(dir.join(name));
    }
    Ok(fs::write(dir.join(PAGES), slot.to_bytes())?)
}

/// Waits until the first stage does.
fn wait(machine: &Machine, qemu: &mut Child, clock: &mut Clock, dir: &Path) -> Result<()> {
    let waiting = format!("{STAGE1}{WAITING}");
    let log = dir.join(LOG);
    let mut follow = LineFollower::new();
    loop {
        let ended = qemu.try_wait()?;
        for line in follow.lines(&log)? {
            if line.contains(&waiting) {
                return Ok(());
            }
            let failed = machine.failures.iter().any(|text| line.contains(text));
            ensure!(!failed, "the machine printed {line:?}");
        }
        ensure!(ended.is_none(), "QEMU ended");
        ensure!(
            clock.elapsed() < DEADLINE && !clock.is_still(),
            "it was not up after {} s",
            DEADLINE.as_secs()
        );
        thread::sleep(POLL);
    }
}

/// Writes the state of a running machine. It stops with that, and would run when restored.
fn save(dir: &Path) -> Result<()> {
    let mut qmp = monitor(dir)?;
    let uri = format!("file:{}", dir.join(STATE).display());
    qmp.run("migrate", json!({ "uri": uri }))?;
    loop {
        let answer = qmp.run("query-migrate", json!({}))?;
        match answer["status"].as_str() {
            Some("completed") => return Ok(()),
            Some("failed" | "cancelled") | None => bail!("QEMU cannot save it: {answer}"),
            Some(_) => thread::sleep(POLL),
        }
    }
}
