//! A Linux guest that loads a test payload with three modules and jumps.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use images::assets::{self, BUSYBOX, OVMF, QEMU};
use images::guest::Stage1;
use images::report::PayloadReport;

use crate::attempt::{self, quote};
use crate::dirs::target_dir;
use crate::guest_binary::mbtool_bin;
use crate::machine::{DEBUG_EXIT, FIRST_LINUX, Firmware, Machine};
use crate::outcome::Outcome;
use crate::plan_json::PlanJson;

/// Ten times what a run takes on two free cores.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// The payload's command line.
pub const CMDLINE: &str = "alpha=1 \"two words\" it's omega";

/// A module of every test.
#[derive(Clone, Debug)]
pub struct GuestModule {
    /// The option and its value for mbtool.
    pub option: [&'static str; 2],
    /// File name, relative to the guest's working directory.
    pub file: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
    /// Expected command line in the payload.
    pub cmdline: &'static str,
    /// Expected contents in the payload.
    pub content: Vec<u8>,
}

/// Returns the modules: compressed and to be decompressed, compressed and to be kept, and
/// uncompressed without arguments. None of them ends at a page boundary.
pub fn modules() -> Result<Vec<GuestModule>> {
    let first = noise(300_001);
    let raw = gzip(&noise(20_011))?;
    let last = noise(4_097);
    Ok(vec![
        GuestModule {
            option: ["--module", "first.gz first \"quoted word\"  a=b"],
            file: "first.gz",
            bytes: gzip(&first)?,
            cmdline: "first \"quoted word\"  a=b",
            content: first,
        },
        GuestModule {
            option: ["--module-raw", "raw.gz raw=1"],
            file: "raw.gz",
            bytes: raw.clone(),
            cmdline: "raw=1",
            content: raw,
        },
        GuestModule {
            option: ["--initrd", "last.bin"],
            file: "last.bin",
            bytes: last.clone(),
            cmdline: "",
            content: last,
        },
    ])
}

/// Returns `len` pseudo-random bytes, always the same.
fn noise(len: u32) -> Vec<u8> {
    (0..len)
        .map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(len) >> 13) as u8)
        .collect()
}

fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// A guest and its image.
#[derive(Clone, Debug)]
pub struct PayloadGuest {
    name: &'static str,
    image: &'static [u8],
    firmware: Firmware,
    options: Vec<String>,
}

/// Results of a guest.
#[derive(Clone, Debug)]
pub struct GuestLoad {
    /// Its plan.
    pub plan: PlanJson,
    /// `status --json` before the load.
    pub status: String,
    /// The run.
    pub outcome: Outcome,
    arguments: Vec<String>,
    files: PathBuf,
}

impl PayloadGuest {
    /// A BIOS machine that loads `image`, a file called `name`.
    pub fn new(name: &'static str, image: &'static [u8]) -> Self {
        Self {
            name,
            image,
            firmware: Firmware::SeaBios,
            options: Vec::new(),
        }
    }

    /// Sets the firmware.
    pub fn firmware(mut self, firmware: Firmware) -> Self {
        self.firmware = firmware;
        self
    }

    /// Adds options of `load`.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options
            .extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// The arguments of `load` and `plan`.
    fn arguments(&self, modules: &[GuestModule]) -> Vec<String> {
        let mut arguments = vec!["--cmdline".to_owned(), CMDLINE.to_owned()];
        arguments.extend(
            modules
                .iter()
                .flat_map(|module| module.option.map(str::to_owned)),
        );
        arguments.extend(self.options.iter().cloned());
        arguments.push(self.name.to_owned());
        arguments
    }

    /// Runs it as `test` until the machine ends; with `halt`, until a line holds that text and for two seconds more.
    pub fn run(&self, test: &str, halt: Option<&str>) -> Result<GuestLoad> {
        let mut wanted = vec![&BUSYBOX, FIRST_LINUX, &QEMU];
        if self.firmware == Firmware::Ovmf {
            wanted.push(&OVMF);
        }
        assets::require(&wanted)?;
        let modules = modules()?;
        let arguments = self.arguments(&modules);
        let words: Vec<String> = arguments.iter().map(|word| quote(word)).collect();
        let words = words.join(" ");
        let script = format!(
            "cd /files\n\
             mbtool status --json >/tmp/status\n\
             show status /tmp/status\n\
             mbtool plan --json {words} >/tmp/plan\n\
             show plan /tmp/plan\n\
             mbtool load {words}\n\
             mbtool exec -f\n"
        );
        let mut stage =
            attempt::install(Stage1::new(&script)?)?.file("bin/mbtool", mbtool_bin()?)?;
        // the same names on both sides, as they are part of a plan
        let files = target_dir().join("e2e").join(test).join("files");
        fs::create_dir_all(&files)?;
        let images = [(self.name, self.image)];
        let all = modules
            .iter()
            .map(|module| (module.file, &module.bytes[..]))
            .chain(images);
        for (name, bytes) in all {
            stage = stage.bytes(&format!("files/{name}"), bytes)?;
            fs::write(files.join(name), bytes)?;
        }
        let mut machine = Machine::stage1(self.firmware, stage.finish()?)?.args(DEBUG_EXIT);
        if let Some(halt) = halt {
            machine = machine.failures(&[halt, "MBTOOL-STAGE1 FAIL", "Kernel panic - not syncing"]);
        }
        let outcome = machine.run(test, DEADLINE, &[])?;
        Ok(GuestLoad {
            plan: PlanJson::parse(&attempt::file(&outcome, "plan")?)?,
            status: attempt::file(&outcome, "status")?,
            outcome,
            arguments,
            files,
        })
    }
}

impl GuestLoad {
    /// Returns the report of the payload; fails when QEMU did not end as after a report.
    pub fn report(&self) -> Result<PayloadReport> {
        self.outcome.report()
    }

    /// Makes the same plan on the host, for the machine recorded in `map`, with `more` options.
    pub fn planned_here(&self, map: &str, more: &[&str]) -> Result<PlanJson> {
        fs::write(self.files.join("machine.json"), map)?;
        let output = Command::new(mbtool_bin()?)
            .current_dir(&self.files)
            .args(["plan", "--json", "--memory-map", "machine.json"])
            .args(more)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .output()
            .context("cannot run mbtool here")?;
        ensure!(
            output.status.success(),
            "mbtool plan: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        PlanJson::parse(&String::from_utf8(output.stdout)?)
    }

    /// The lines of the handoff.
    pub fn handoff(&self) -> Vec<&str> {
        let lines = self.outcome.lines.iter().map(String::as_str);
        lines
            .filter(|line| line.starts_with(crate::dump::HANDOFF))
            .collect()
    }
}
