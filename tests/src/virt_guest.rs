//! Linux guests of another architecture, with a device tree: mbtool in a first stage, and the Linux
//! that it starts.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::Asset;
use images::guest::{self, DumpCheck, LINUX, STAGE1, Stage1, VmcoreReader};
use serde_json::Value;

use crate::attempt::{self, Attempt, attempts};
use crate::guest_binary::{cross_known_pages_bin, cross_mbtool_bin};
use crate::machine::{Machine, VirtBoard};
use crate::outcome::Outcome;
use guest_programs::known_pages::MARKER;

/// Some ten times what the slowest run takes on two free cores.
pub const VIRT_DEADLINE: Duration = Duration::from_secs(400);

/// Pages made before a crash.
const PAGES: u32 = 4096;

/// Returns a first stage for `board` that runs `script`, with mbtool and `attempt`.
pub fn virt_stage1(board: &'static VirtBoard, script: &str) -> Result<Stage1> {
    attempt::install(Stage1::on(board.busybox, script)?)?
        .file("bin/mbtool", &cross_mbtool_bin(board.target)?)
}

/// Runs a first stage to its end on a machine of `board` with `cpus` CPUs.
pub fn run_virt(
    name: &str,
    board: &'static VirtBoard,
    cpus: u32,
    stage: Stage1,
) -> Result<Outcome> {
    let end = format!("{STAGE1}END");
    Machine::virt(board, stage.finish()?)?
        .cpus(cpus)
        .run(name, VIRT_DEADLINE, &[&end])?
        .ended_with(&end)
}

/// Returns the attempt of this name.
///
/// # Errors
///
/// It was not made, or did not end with `status`.
pub fn attempted(outcome: &Outcome, name: &str, status: i32) -> Result<Attempt> {
    let found = attempts(outcome)?
        .into_iter()
        .find(|attempt| attempt.name == name)
        .with_context(|| format!("{name} was not tried: {}", outcome.describe()))?;
    ensure!(
        found.status == status,
        "{name} ended with {}: {}{}",
        found.status,
        found.stdout,
        found.stderr
    );
    Ok(found)
}

/// Returns the document that an attempt printed; it ended with `status`.
///
/// # Errors
///
/// As [`attempted`], and text that is no JSON.
pub fn document(outcome: &Outcome, name: &str, status: i32) -> Result<Value> {
    let found = attempted(outcome, name, status)?;
    serde_json::from_str(&found.stdout).with_context(|| format!("{name}: {}", found.stdout))
}

/// A Linux that mbtool starts on a board, from the same Linux.
#[derive(Clone, Debug)]
pub struct VirtLoad {
    /// The machine.
    pub board: &'static VirtBoard,
    /// Both kernels; by default the board's.
    pub linux: &'static Asset,
    /// Model of the CPUs; by default the board's.
    pub cpu: &'static str,
    /// CPUs.
    pub cpus: u32,
    /// Command line of both kernels, without parameters for the case.
    pub console: String,
    /// More options of `mbtool load`.
    pub options: &'static str,
    /// The first Linux crashes, on this CPU.
    pub crash_on: Option<u32>,
}

/// What the second Linux reported.
#[derive(Clone, Debug)]
pub struct VirtReport {
    /// By key.
    pub values: BTreeMap<String, String>,
    /// Names of the notes of /proc/vmcore.
    pub notes: Vec<String>,
    /// `plan --json` of the first Linux.
    pub plan: Value,
    /// The run.
    pub outcome: Outcome,
}

impl VirtLoad {
    /// Two CPUs, a normal load.
    pub fn new(board: &'static VirtBoard) -> Self {
        Self {
            board,
            linux: board.linux,
            cpu: board.cpu,
            cpus: 2,
            console: board.serial_cmdline(),
            options: "",
            crash_on: None,
        }
    }

    /// The second Linux's command line.
    pub fn cmdline(&self) -> String {
        match self.crash_on {
            None => format!("{} a=b", self.console),
            // newer kernels of Debian reserve 128 MiB for CMA, also in a crash region
            Some(_) => format!("{} nr_cpus=1 cma=0 a=b", self.console),
        }
    }

    /// Commands of the first Linux.
    fn script(&self) -> String {
        let (crash, jump) = match self.crash_on {
            None => ("", "mbtool exec -f\n".to_owned()),
            Some(cpu) => (
                "-p ",
                format!(
                    "taskset {:x} sh -c 'echo c > /proc/sysrq-trigger'\n",
                    1_u64 << cpu
                ),
            ),
        };
        let pages = match self.crash_on {
            None => String::new(),
            Some(_) => format!("known-pages make /tmp/known {PAGES}\n"),
        };
        let size = match self.crash_on {
            None => "",
            Some(_) => "attempt size mbtool crash size --json /image --initrd /initrd\n",
        };
        let load = format!(
            "{crash}/image --initrd /initrd --cmdline '{}' {}",
            self.cmdline(),
            self.options
        );
        format!(
            "{pages}attempt plan mbtool plan --json {load}\n\
             {size}\
             mbtool load {load}\n\
             {jump}"
        )
    }

    /// Runs it as `name` and makes the checks common to all.
    pub fn check(&self, name: &str) -> Result<VirtReport> {
        let report = self.run(name)?;
        report
            .verify(self)
            .with_context(|| format!("see {}", report.outcome.log.display()))?;
        Ok(report)
    }

    fn run(&self, name: &str) -> Result<VirtReport> {
        let program = match self.crash_on {
            None => None,
            Some(_) => Some(cross_known_pages_bin(self.board.target)?),
        };
        let check = program.as_deref().map(|program| DumpCheck {
            known_pages: program,
            pages: PAGES,
            reader: self.board.dump_reader,
        });
        let (initrd, digest) = guest::dt_linux_initrd(self.board.busybox, check)?;
        let mut stage = virt_stage1(self.board, &self.script())?
            .file("image", self.linux.path()?)?
            .bytes("initrd", &initrd)?;
        if let Some(program) = &program {
            stage = stage.file("bin/known-pages", program)?;
        }
        let end = format!("{LINUX}END");
        let mut machine = Machine::virt(self.board, stage.finish()?)?
            .linux(self.linux)?
            .command_line(&self.console)
            .cpu(self.cpu)
            .cpus(self.cpus);
        if self.crash_on.is_some() {
            let failed = [&*format!("{STAGE1}FAIL"), &format!("{MARKER}FAIL")];
            // the first system panics intentionally
            machine = machine.append("crashkernel=192M").failures(&failed);
        }
        let outcome = machine
            .run(name, VIRT_DEADLINE, &[&end])?
            .ended_with(&end)?;
        let plan = document(&outcome, "plan", 0)?;
        let mut report = VirtReport::of(outcome, plan);
        let mut add = |key: &str, value: String| report.values.insert(key.to_owned(), value);
        add("expected-digest", digest.to_string());
        add("initrd-bytes", initrd.len().to_string());
        Ok(report)
    }
}

impl VirtReport {
    /// Reads the second Linux's lines.
    pub(crate) fn of(outcome: Outcome, plan: Value) -> Self {
        let rest = |prefix: &'static str| {
            let lines = outcome.lines.iter();
            let found = lines.filter_map(move |line| line.split_once(prefix));
            found.filter_map(|(_, rest)| rest.split_once('='))
        };
        let known = rest(MARKER).filter(|(key, _)| ["made", "found"].contains(key));
        let values = rest(LINUX)
            .chain(known)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let notes = rest(MARKER).filter(|(key, _)| *key == "note");
        let name = |note: &str| note.split(" type=").next().unwrap_or_default().to_owned();
        Self {
            notes: notes.map(|(_, note)| name(note)).collect(),
            values,
            plan,
            outcome,
        }
    }

    /// Returns a value.
    pub fn get(&self, key: &str) -> Result<&str> {
        let value = self.values.get(key).map(String::as_str);
        value.with_context(|| format!("the second Linux did not report {key}"))
    }

    /// An address of `/chosen`: one or two cells.
    fn address(&self, key: &str) -> Result<u64> {
        let digits = self.get(key)?;
        u64::from_str_radix(digits, 16).with_context(|| format!("{key} is {digits:?}"))
    }

    /// Checks a value.
    pub(crate) fn is(&self, key: &str, expected: &str) -> Result<()> {
        let found = self.get(key)?;
        ensure!(
            found == expected,
            "{key} is {found:?}, expected {expected:?}"
        );
        Ok(())
    }

    /// Fails with the first deviation.
    fn verify(&self, load: &VirtLoad) -> Result<()> {
        self.is("digest", self.get("expected-digest")?)?;
        self.is("bootargs", &load.cmdline())?;
        self.is("cmdline", &load.cmdline())?;
        let starts = self.outcome.value(&format!("{STAGE1}START linux="));
        let release = starts.and_then(|start| start.split(' ').next());
        self.is("linux", release.context("no first stage")?)?;
        // the tree has what was planned, and that is the initial RAM disk
        let planned = &self.plan["chosen"]["initrd"];
        for (name, end) in [("linux,initrd-start", "start"), ("linux,initrd-end", "end")] {
            let found = format!("{:#x}", self.address(name)?);
            ensure!(
                planned[end] == found,
                "{name} is {found}, planned {planned}"
            );
        }
        let bytes = self.address("linux,initrd-end")? - self.address("linux,initrd-start")?;
        self.is("initrd-bytes", &bytes.to_string())?;
        ensure!(
            self.outcome.contains("[handoff] jump to "),
            "no line of the handoff's jump"
        );
        match load.crash_on {
            None => {
                self.is("cpus", &load.cpus.to_string())?;
                self.is("vmcore", "none")?;
                self.is("linux,elfcorehdr", "none")?;
                self.is("linux,usable-memory-range", "none")
            }
            Some(cpu) => self.verify_dump(load, cpu),
        }
    }

    fn verify_dump(&self, load: &VirtLoad, cpu: u32) -> Result<()> {
        self.is("cpus", "1")?;
        self.is("boot-cpu", &cpu.to_string())?;
        self.is("made", &PAGES.to_string())?;
        let found = self.get("found")?;
        ensure!(
            found.starts_with(&format!("{PAGES} of={PAGES} ")) && found.contains(" unreadable=0"),
            "of {PAGES} known pages and all memory: found={found}"
        );
        let cores = self.notes.iter().filter(|name| *name == "CORE").count();
        ensure!(
            cores == load.cpus as usize && self.notes.iter().any(|name| name == "VMCOREINFO"),
            "{} CPUs left their registers: {:?}",
            cores,
            self.notes
        );
        let size = document(&self.outcome, "size", 0)?;
        ensure!(
            size["goes_to"] == "linux" && size["reserved"]["enough"] == true,
            "{size:#}"
        );
        self.is("dmesg", "ok")?;
        self.is("panic", "Kernel panic - not syncing: sysrq triggered crash")?;
        if let VmcoreReader::VmcoreDmesg(_) = load.board.dump_reader {
            return Ok(());
        }
        self.is("dump", "ok")?;
        let number = |key: &str| -> Result<u64> { Ok(self.get(key)?.parse()?) };
        let (whole, filtered) = (number("vmcore")?, number("dump-size")?);
        ensure!(
            (1 << 20..whole / 2).contains(&filtered),
            "makedumpfile keeps {filtered} of {whole} bytes"
        );
        Ok(())
    }
}
