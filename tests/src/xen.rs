//! The main scenario: a running Linux loads Xen, a dom0 kernel and an initial RAM disk with mbtool, and jumps.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{self, Asset};
use images::guest::{self, DOM0, STAGE1, Stage1};
use mbtool::image::synth::PeBuilder;

use crate::guest_binary::mbtool_bin;
use crate::machine::{Board, EMULATED_DOM0, FIRST_LINUX, Firmware, Machine, UNSCRUBBED};
use crate::outcome::Outcome;

/// Five times what the slowest case takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(240);

/// A scenario: images and machine.
#[derive(Clone, Copy, Debug)]
pub struct XenScenario {
    /// Xen's release, "4.17" or "4.20".
    pub xen: &'static str,
    /// The first system, and dom0's kernel.
    pub linux: &'static Asset,
    /// Firmware of the machine.
    pub firmware: Firmware,
    /// Machine type.
    pub board: Board,
    /// Number of CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// More parameters for Xen.
    pub xen_args: &'static str,
    /// More parameters for dom0.
    pub dom0_args: &'static str,
    /// Load xen.efi with configuration, kernel and initial RAM disk in its sections, instead of xen.gz and files.
    pub unified: bool,
}

/// Results.
#[derive(Clone, Debug)]
pub struct Dom0Outcome {
    /// dom0's report, by key.
    pub dom0: BTreeMap<String, String>,
    /// Expected digest of dom0's payload.
    pub expected_digest: String,
    /// Time from power-on to the first kernel's user space.
    pub linux_up: Duration,
    /// Time from power-on to the end of dom0's report.
    pub dom0_up: Duration,
    /// The run itself.
    pub outcome: Outcome,
}

impl XenScenario {
    /// A machine with 2 CPUs and 2 GiB on the older board.
    pub fn new(xen: &'static str, firmware: Firmware) -> Self {
        Self {
            xen,
            linux: FIRST_LINUX,
            firmware,
            board: Board::Pc,
            cpus: 2,
            memory_mib: 2048,
            xen_args: "",
            dom0_args: "",
            unified: false,
        }
    }

    /// Skips parts that are slow on emulated CPUs and not checked.
    pub fn quick(self) -> Self {
        Self {
            xen_args: UNSCRUBBED,
            dom0_args: EMULATED_DOM0,
            ..self
        }
    }

    /// Command lines of Xen and of dom0.
    fn cmdlines(&self) -> (String, String) {
        let more = |args: &str| match args {
            "" => String::new(),
            args => format!(" {args}"),
        };
        (
            format!(
                "com1=115200,8n1 console=com1 loglvl=info{}",
                more(self.xen_args)
            ),
            format!("console=hvc0 quiet panic=-1{}", more(self.dom0_args)),
        )
    }

    /// The commands that the first kernel runs.
    pub fn script(&self) -> String {
        let (xen, dom0) = self.cmdlines();
        match self.unified {
            true => "mbtool load /xen.efi\nmbtool exec -f\n".to_owned(),
            false => format!(
                "mbtool load /xen.gz --cmdline '{xen}' --module '/vmlinuz {dom0}' --initrd /dom0-initrd\n\
                 mbtool exec -f\n"
            ),
        }
    }

    /// xen.efi of the same package as xen.gz, with the other files in it.
    fn unified_xen(&self, initrd: &[u8]) -> Result<Vec<u8>> {
        let (xen, dom0) = self.cmdlines();
        let config = format!(
            "[global]\ndefault=test\n[test]\noptions={xen}\nkernel=vmlinuz {dom0}\nramdisk=initrd\n"
        );
        let path = assets::xen(self.xen)?.path()?.with_extension("efi");
        let read =
            |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let xen = PeBuilder::of(&read(&path)?)
            .stripped()
            .section(".config", config.as_bytes())
            .section(".kernel", &read(self.linux.path()?)?)
            .section(".ramdisk", initrd);
        Ok(xen.build())
    }

    /// Fetches all assets, so that a later run starts at once.
    pub fn prepare(&self) -> Result<()> {
        let mut wanted = vec![&assets::BUSYBOX, self.linux, assets::xen(self.xen)?];
        if self.firmware == Firmware::Ovmf {
            wanted.push(&assets::OVMF);
        }
        wanted.push(&assets::QEMU);
        assets::require(&wanted)
    }

    /// Runs it as `name`; `on_line` gets each line of the serial port with the time since power-on.
    pub fn run(&self, name: &str, on_line: &mut dyn FnMut(Duration, &str)) -> Result<Dom0Outcome> {
        self.prepare()?;
        let (dom0_initrd, digest) = guest::dom0_initrd()?;
        let stage = Stage1::new(&self.script())?.file("bin/mbtool", mbtool_bin()?)?;
        let stage = match self.unified {
            true => stage.bytes("xen.efi", &self.unified_xen(&dom0_initrd)?)?,
            false => stage
                .file("xen.gz", assets::xen(self.xen)?.path()?)?
                .file("vmlinuz", self.linux.path()?)?
                .bytes("dom0-initrd", &dom0_initrd)?,
        };
        let initrd = stage.finish()?;
        let start = format!("{STAGE1}START");
        let end = format!("{DOM0}END");
        let mut linux_up = None;
        let outcome = Machine::stage1(self.firmware, initrd)?
            .linux(self.linux)?
            .board(self.board)
            .cpus(self.cpus)
            .memory_mib(self.memory_mib)
            .run_with(name, DEADLINE, &[&end], &mut |at, line| {
                if line.contains(&start) {
                    linux_up = Some(at);
                }
                on_line(at, line);
            })?
            .ended_with(&end)?;
        let dom0 = outcome
            .lines
            .iter()
            .filter_map(|line| line.split_once(DOM0)?.1.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Ok(Dom0Outcome {
            dom0,
            expected_digest: digest.to_string(),
            linux_up: linux_up.context("the first kernel's user space did not report")?,
            dom0_up: outcome.elapsed,
            outcome,
        })
    }

    /// Runs it as `name` and checks all reports of dom0.
    pub fn check(&self, name: &str) -> Result<Dom0Outcome> {
        let report = self.run(name, &mut |_, _| {})?;
        report
            .verify(self)
            .with_context(|| format!("see {}", report.outcome.log.display()))?;
        Ok(report)
    }
}

impl Dom0Outcome {
    /// Fails with the first deviation from `scenario`.
    pub fn verify(&self, scenario: &XenScenario) -> Result<()> {
        let get = |key: &str| {
            self.dom0
                .get(key)
                .with_context(|| format!("dom0 did not report {key}"))
        };
        let digest = get("digest")?;
        ensure!(
            *digest == self.expected_digest,
            "dom0's initial RAM disk is damaged: digest {digest}, expected {}",
            self.expected_digest
        );
        let xen = get("xen")?;
        ensure!(
            xen.starts_with(scenario.xen),
            "dom0 runs on Xen {xen}, expected {}",
            scenario.xen
        );
        let cpus: u32 = get("cpus")?.parse()?;
        ensure!(
            cpus == scenario.cpus,
            "dom0 has {cpus} CPUs, expected {}",
            scenario.cpus
        );
        let brought_up = format!("(XEN) Brought up {} CPUs", scenario.cpus);
        ensure!(
            self.outcome.contains(&brought_up),
            "Xen did not print {brought_up:?}"
        );
        let tables: u32 = get("acpi-tables")?.parse()?;
        ensure!(tables > 0, "dom0 has no ACPI tables");
        let kib: u64 = get("mem")?.trim_end_matches("KiB").parse()?;
        let expected_kib = u64::from(scenario.memory_mib) * 1024;
        // Xen and the kernel reserve some memory; the loss of a whole region is more than an
        // eighth
        ensure!(
            kib > expected_kib / 8 * 7 - 200 * 1024 && kib <= expected_kib,
            "dom0 has {kib} KiB of memory, the machine {expected_kib}"
        );
        Ok(())
    }
}
