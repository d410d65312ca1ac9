//! A panicking Linux, or Xen, starts Xen in the crash region; its dom0 reads all memory of the
//! panicked system.

mod memory;
mod verify;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{self, Asset, LINUX_6_1};
use images::cpio::Archive;
use images::guest::{self, CRASH, STAGE1, Stage1, Stage1Initrd};

use crate::crash::CrashedSystem;
use crate::guest_binary::{known_pages_bin, mbtool_bin};
use crate::machine::{Board, EMULATED_DOM0, Firmware, Machine, SMALL_DOM0};
use crate::outcome::Outcome;
use crate::{attempt, run};
use guest_programs::known_pages::{self, MARKER, PAGE};
use memory::Watch;

/// Four times what the slowest case takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(900);

/// CPUs of every machine.
pub const CPUS: u32 = 4;

/// Without this parameter Linux 7.3 as dom0 once hung before its first message: one CPU spun, apparently in the clocksource watchdog,
/// and waited for another CPU while its clock did not advance. The TSCs of emulated CPUs are the same, so the check is not needed.
const STEADY: &str = "tsc=reliable";

/// Printed by the first system right before it crashes.
const READY: &str = "READY TO CRASH";

/// Printed by dom0 when memory may be examined.
const STILL: &str = "still";

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct ToXenCase {
    /// Xen's release, "4.17" or "4.20".
    pub xen: &'static str,
    /// The system that crashes.
    pub host: CrashedSystem,
    /// The kernel of dom0 after the crash.
    pub dom0: &'static Asset,
    /// Firmware of the machine.
    pub firmware: Firmware,
    /// Machine type.
    pub board: Board,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// `crashkernel=` of the system that crashes.
    pub crashkernel: &'static str,
    /// More parameters for its kernel.
    pub host_args: &'static str,
    /// QEMU's CPU model.
    pub model: Option<&'static str>,
    /// CPU topology (see [`Machine::topology`]).
    pub topology: Option<&'static str>,
    /// Devices added to the machine.
    pub devices: &'static [&'static str],
    /// The CPU that panics, by Linux's number.
    pub cpu: u32,
    /// Its APIC id, if that is a different number.
    pub apic_id: Option<u32>,
    /// True when Xen crashes by its debug key, not by a panic of Linux.
    pub key: bool,
    /// Commands between loading and the crash.
    pub before: &'static str,
    /// Number of online CPUs at the crash.
    pub online: u32,
    /// Parameters for Xen.
    pub xen_args: &'static str,
    /// Number of CPUs that Xen starts.
    pub cpus: u32,
    /// True when the machine's CPUs run in parallel (see
    /// [`Machine::parallel`]).
    pub parallel: bool,
    /// Bytes added to dom0's initial RAM disk.
    pub ballast: usize,
    /// Number of pages created before the crash.
    pub pages: u32,
    /// True when all memory is compared: with that at the entry of the handoff, and with the
    /// dump.
    pub proof: bool,
}

/// The default case.
pub const CASE: ToXenCase = ToXenCase {
    xen: "4.20",
    host: CrashedSystem::Linux(&LINUX_6_1),
    dom0: &LINUX_6_1,
    firmware: Firmware::SeaBios,
    board: Board::Pc,
    memory_mib: 2048,
    crashkernel: "768M",
    host_args: "",
    model: None,
    topology: None,
    devices: &[],
    cpu: 2,
    apic_id: None,
    key: false,
    before: "",
    online: CPUS,
    xen_args: "",
    cpus: CPUS - 1,
    parallel: false,
    ballast: 0,
    pages: 4096,
    proof: true,
};

/// Result of a run.
struct Ran {
    outcome: Outcome,
    /// Expected digest of dom0's payload.
    digest: String,
    /// All memory at the crash.
    watch: Option<Watch>,
}

impl ToXenCase {
    /// Known pages below 1 MiB. In a dom0 /dev/mem has other memory there.
    fn low_pages(&self) -> u32 {
        match self.host {
            CrashedSystem::Linux(_) => {
                ((known_pages::LOW.end - known_pages::LOW.start) / PAGE as u64) as u32
            }
            CrashedSystem::Xen(_) => 0,
        }
    }

    /// Returns the image with its options.
    fn image(&self) -> String {
        format!(
            "--console com1 /xen.gz --cmdline 'com1=115200,8n1 console=com1 loglvl=all {}' \
             --module '/vmlinuz console=hvc0 quiet panic=-1 {EMULATED_DOM0} {STEADY}' --initrd /crash-initrd",
            self.xen_args,
        )
    }

    fn script(&self) -> String {
        let (pages, image) = (self.pages, self.image());
        let low = if self.low_pages() > 0 {
            format!("known-pages low {pages}\n")
        } else {
            String::new()
        };
        let plan = if self.proof {
            format!(
                "show iomem /proc/iomem\n\
                 mbtool plan -p --json {image} > /tmp/plan.json\n\
                 show plan /tmp/plan.json\n"
            )
        } else {
            String::new()
        };
        let crash = if self.key {
            // the test presses the key
            "sleep 300".to_owned()
        } else {
            let only = 1 << self.cpu;
            format!("taskset {only:x} sh -c 'echo c > /proc/sysrq-trigger'")
        };
        format!(
            "mount -o remount,size=90% /tmp\n\
             known-pages make /tmp/known {pages}\n\
             {low}{plan}mbtool load -p {image}\n\
             {}\n\
             echo {READY}\n\
             {crash}\n",
            self.before
        )
    }

    fn dump(&self) -> String {
        let pages = self.pages + self.low_pages();
        let (digests, still) = if self.proof {
            ("digests", format!("say {STILL}\nsleep 1\n"))
        } else {
            ("", String::new())
        };
        format!(
            "known-pages notes /proc/vmcore\n\
             known-pages scan /proc/vmcore {pages} {digests}\n\
             try dmesg makedumpfile --dump-dmesg /proc/vmcore /tmp/dmesg\n\
             say \"panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' /tmp/dmesg)\"\n\
             {still}"
        )
    }

    /// Returns the value of `crashkernel=` that `crash size` prints in the first system without a
    /// reservation.
    pub fn advised(&self, name: &str) -> Result<String> {
        let script = format!(
            "echo ADVISED $(mbtool crash size {} | head -n 1)\n",
            self.image()
        );
        let (stage1, _) = self.stage1(&script)?;
        let end = format!("{STAGE1}END");
        let outcome = self
            .machine("", stage1)?
            .run(name, DEADLINE, &[&end])?
            .ended_with(&end)?;
        let value = outcome.value("ADVISED crashkernel=");
        value.map(str::to_owned).context("nothing is advised")
    }

    /// Returns the first system's initramfs, and the digest that dom0 must report for its
    /// payload.
    fn stage1(&self, script: &str) -> Result<(Stage1Initrd, String)> {
        let known_pages = known_pages_bin()?;
        let (mut initrd, digest) = guest::crash_initrd(known_pages, &self.dump())?;
        if self.ballast > 0 {
            let mut more = Archive::new();
            more.file("ballast", 0o644, &vec![0xb5; self.ballast])?;
            initrd.extend(more.finish()?);
        }
        let stage1 = attempt::install(Stage1::new(script)?)?
            .file("bin/mbtool", mbtool_bin()?)?
            .file("bin/known-pages", known_pages)?
            .file("xen.gz", assets::xen(self.xen)?.path()?)?
            .file("vmlinuz", self.dom0.path()?)?
            .bytes("crash-initrd", &initrd)?
            .finish()?;
        Ok((stage1, digest.to_string()))
    }

    /// Returns the machine with the first system; `reserve` is for its command
    /// line.
    fn machine(&self, reserve: &str, stage1: Stage1Initrd) -> Result<Machine> {
        let parameters = format!("{reserve} {}", self.host_args);
        let mut machine = match self.host {
            CrashedSystem::Linux(kernel) => Machine::stage1(self.firmware, stage1)?
                .linux(kernel)?
                .append(parameters.trim()),
            CrashedSystem::Xen(version) => Machine::xen(version, parameters.trim(), "", stage1)?
                .linux(self.dom0)?
                .append(SMALL_DOM0),
        };
        if let Some(model) = self.model {
            machine = machine.cpu(model);
        }
        if let Some(topology) = self.topology {
            machine = machine.topology(topology);
        }
        for device in self.devices {
            machine = machine.args(["-device", *device]);
        }
        if self.key {
            machine = machine.typing();
        }
        if self.proof {
            machine = machine.monitor().debugger();
        }
        if self.parallel {
            machine = machine.parallel();
        }
        let machine = machine.board(self.board).cpus(CPUS);
        Ok(machine.memory_mib(self.memory_mib))
    }

    fn run(&self, name: &str) -> Result<Ran> {
        let ran = run::or_once_more(name, || self.attempt(name), |ran| &ran.outcome)?;
        Ok(Ran {
            outcome: ran.outcome.ended_with(&format!("{CRASH}END"))?,
            ..ran
        })
    }

    fn attempt(&self, name: &str) -> Result<Ran> {
        let (stage1, digest) = self.stage1(&self.script())?;
        let machine = self.machine(&format!("crashkernel={}", self.crashkernel), stage1)?;
        let end = format!("{CRASH}END");
        let failed = format!("{STAGE1}FAIL");
        let pages_failed = format!("{MARKER}FAIL");
        let mut watch = self.proof.then(|| Watch::new(run::dir(name)));
        let outcome = machine
            // the first system panics intentionally
            .failures(&[&failed, &pages_failed, "Panic on CPU "])
            .run_typing(name, DEADLINE, &[&end], &mut |_, line, keyboard| {
                if self.key && line == READY {
                    keyboard.xen('C');
                }
                if let Some(watch) = &mut watch
                    && let Err(error) = watch.line(line)
                {
                    keyboard.fail(error);
                }
            })?;
        Ok(Ran {
            outcome,
            digest,
            watch,
        })
    }

    /// Runs it as `name` and checks all output of dom0.
    pub fn check(&self, name: &str) -> Result<()> {
        let ran = self.run(name)?;
        let log = ran.outcome.log.display().to_string();
        let checked = self.verify(name, &ran.outcome, &ran.digest).and_then(|()| {
            ran.watch
                .map_or(Ok(()), |watch| watch.verify(self, name, &ran.outcome))
        });
        checked.with_context(|| format!("see {log}"))
    }
}

/// Fails unless `found` equals `expected`.
fn same(what: &str, found: &str, expected: &str) -> Result<()> {
    ensure!(found == expected, "{what} is {found}, expected {expected}");
    Ok(())
}
