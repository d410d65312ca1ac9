//! A system crashes, and the Linux that mbtool has loaded for this case examines
//! its memory.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{self, Asset};
use images::guest::{self, CRASH, STAGE1, Stage1};
use images::progress::say;

use crate::guest_binary::{known_pages_bin, mbtool_bin};
use crate::machine::{Board, EMULATED, Firmware, Machine, SMALL_DOM0};
use crate::outcome::Outcome;
use guest_programs::known_pages::MARKER;

/// Four times what the slowest case takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(400);

/// Pages made before the crash.
const PAGES: u32 = 4096;

/// Printed by the first system when it waits for a key on Xen's console.
const PRESS: &str = "PRESS THE KEY";

/// The system that crashes.
#[derive(Clone, Copy, Debug)]
pub enum CrashedSystem {
    /// This Linux, without Xen.
    Linux(&'static Asset),
    /// Xen of this release ("4.17", "4.20"), with Linux 6.1 as dom0.
    Xen(&'static str),
}

/// Cause of the crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Linux panics, on this (virtual) CPU.
    Panic(u32),
    /// The debug key 'C' is pressed on Xen's console.
    XenKey,
}

/// A crash scenario.
#[derive(Clone, Copy, Debug)]
pub struct CrashScenario {
    /// The system.
    pub host: CrashedSystem,
    /// Firmware of the machine; Xen as first system is started on BIOS only.
    pub firmware: Firmware,
    /// Machine type.
    pub board: Board,
    /// Number of CPUs.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// `crashkernel=` on the command line of Xen, or of Linux without Xen.
    pub crashkernel: &'static str,
    /// More parameters of the first system's kernel, without Xen.
    pub running_args: &'static str,
    /// The crash kernel gets the running kernel's command line.
    pub reuse_cmdline: bool,
    /// The crash.
    pub trigger: Trigger,
}

/// Report of the crash kernel.
#[derive(Clone, Debug)]
pub struct CrashOutcome {
    /// By key.
    pub values: BTreeMap<String, String>,
    /// Names of the notes of /proc/vmcore, in order.
    pub notes: Vec<String>,
    /// Expected digest of its payload.
    pub expected_digest: String,
    /// The run itself.
    pub outcome: Outcome,
}

impl CrashScenario {
    /// A machine of the older board with 4 CPUs and 1 GiB that starts on BIOS.
    pub fn new(host: CrashedSystem, trigger: Trigger) -> Self {
        Self {
            host,
            firmware: Firmware::SeaBios,
            board: Board::Pc,
            cpus: 4,
            memory_mib: 1024,
            crashkernel: match host {
                CrashedSystem::Linux(_) => "192M",
                CrashedSystem::Xen(_) => "192M@256M",
            },
            running_args: "",
            reuse_cmdline: false,
            trigger,
        }
    }

    /// Returns the commands of the first system.
    fn script(&self) -> String {
        let crash = match self.trigger {
            Trigger::Panic(cpu) => format!(
                "taskset {:x} sh -c 'echo c > /proc/sysrq-trigger'\n",
                1_u64 << cpu
            ),
            Trigger::XenKey => format!("echo {PRESS}\nsleep 120\n"),
        };
        let own = "nr_cpus=1 irqpoll reset_devices";
        let line = if self.reuse_cmdline {
            format!("--reuse-cmdline --cmdline '{own}'")
        } else {
            format!("--cmdline 'console=ttyS0,115200 {own} {EMULATED} quiet panic=-1'")
        };
        format!(
            "known-pages make /tmp/known {PAGES}\n\
             mbtool load -p --console com1 /vmlinuz --initrd /crash-initrd {line}\n\
             {crash}"
        )
    }

    /// Returns the commands of the crash kernel for the dump.
    fn dump(&self) -> String {
        // with Xen, the result of makedumpfile is only reported
        let xen = match self.host {
            CrashedSystem::Linux(_) => "",
            CrashedSystem::Xen(_) => {
                "try dump-xen makedumpfile -X -d 31 -l /proc/vmcore /tmp/dump-xen\n\
                 try dump-plain makedumpfile -E -d 0 --dry-run /proc/vmcore /tmp/dump-plain\n"
            }
        };
        format!(
            "known-pages notes /proc/vmcore\n\
             known-pages scan /proc/vmcore {PAGES}\n\
             say_makedumpfile\n\
             {xen}"
        )
    }

    /// Returns the kernel that crashes, which is also the crash kernel.
    pub fn linux(&self) -> &'static Asset {
        match self.host {
            CrashedSystem::Linux(kernel) => kernel,
            CrashedSystem::Xen(_) => &assets::LINUX_6_1,
        }
    }

    /// Runs it as `name`.
    pub fn run(&self, name: &str) -> Result<CrashOutcome> {
        let (crash_initrd, digest) = guest::crash_initrd(known_pages_bin()?, &self.dump())?;
        let initrd = Stage1::new(&self.script())?
            .file("bin/mbtool", mbtool_bin()?)?
            .file("bin/known-pages", known_pages_bin()?)?
            .file("vmlinuz", self.linux().path()?)?
            .bytes("crash-initrd", &crash_initrd)?
            .finish()?;
        let reserve = format!("crashkernel={}", self.crashkernel);
        let machine = match self.host {
            CrashedSystem::Linux(kernel) => Machine::stage1(self.firmware, initrd)?
                .linux(kernel)?
                .append(&reserve)
                .append(self.running_args),
            CrashedSystem::Xen(version) => Machine::xen(version, &reserve, "", initrd)?
                .linux(self.linux())?
                .append(SMALL_DOM0),
        };
        let end = format!("{CRASH}END");
        let failed = format!("{STAGE1}FAIL");
        let pages_failed = format!("{MARKER}FAIL");
        let outcome = machine
            .board(self.board)
            .cpus(self.cpus)
            .memory_mib(self.memory_mib)
            .typing()
            // the first system panics intentionally
            .failures(&[&failed, &pages_failed])
            .run_typing(name, DEADLINE, &[&end], &mut |_, line, keyboard| {
                if line == PRESS {
                    keyboard.xen('C');
                }
            })?
            .ended_with(&end)?;
        let lines = outcome.lines.iter();
        let of = |prefix: &'static str| {
            let rest = lines
                .clone()
                .filter_map(move |line| line.split_once(prefix));
            rest.filter_map(|(_, rest)| rest.split_once('='))
        };
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let known = of(MARKER).filter(|(key, _)| ["made", "found"].contains(key));
        let values = of(CRASH).chain(known).map(owned).collect();
        let notes = of(MARKER).filter(|(key, _)| *key == "note");
        let name =
            |(_, note): (&str, &str)| note.split(" type=").next().unwrap_or_default().to_owned();
        Ok(CrashOutcome {
            notes: notes.map(name).collect(),
            values,
            expected_digest: digest.to_string(),
            outcome,
        })
    }

    /// Runs it as `name` and makes the checks common to all crashes.
    pub fn check(&self, name: &str) -> Result<CrashOutcome> {
        let report = self.run(name)?;
        report
            .verify(self)
            .with_context(|| format!("see {}", report.outcome.log.display()))?;
        Ok(report)
    }
}

/// True when makedumpfile's result for a dump of `kernel` is to be checked. If it prints that it
/// does not support the kernel, and the kernel is newer than any that passed, the check is skipped
/// with a message. The message alone is not enough: it also prints it for kernels whose dumps it
/// reads.
pub fn makedumpfile_counts(name: &str, kernel: &'static Asset, outcome: &Outcome) -> bool {
    let unknown = outcome.value(&format!("{CRASH}new-kernel=")).is_some();
    let Some((version, passed)) = kernel.is_new().filter(|_| unknown) else {
        return true;
    };
    say(
        name,
        format_args!(
            "NOT CHECKED: what makedumpfile makes of the dump of Linux {version}. It prints that it does not support this \
             kernel; {passed} was the newest that was tried. What mbtool itself answers for was checked."
        ),
    );
    false
}

impl CrashOutcome {
    /// Returns the value of `key` in the crash kernel's output.
    pub fn get(&self, key: &str) -> Result<&str> {
        let value = self.values.get(key).map(String::as_str);
        value.with_context(|| format!("the crash kernel did not report {key}"))
    }

    /// Fails with the first deviation from the expected report.
    fn verify(&self, scenario: &CrashScenario) -> Result<()> {
        let is = |key: &str, expected: &str| -> Result<()> {
            let found = self.get(key)?;
            ensure!(found == expected, "{key} is {found}, expected {expected}");
            Ok(())
        };
        is("digest", &self.expected_digest)?;
        is("cpus", "1")?;
        if let (CrashedSystem::Linux(_), Trigger::Panic(cpu)) = (scenario.host, scenario.trigger) {
            is("apicid", &cpu.to_string())?;
        }
        ensure!(
            self.get("acpi-tables")? != "0",
            "the crash kernel has no ACPI tables"
        );
        let found = self.get("found")?;
        ensure!(
            found.starts_with(&format!("{PAGES} of={PAGES} ")) && found.contains(" unreadable=0"),
            "of {PAGES} known pages and all memory: found={found}"
        );
        // all of the machine except the crash region, the firmware's memory and
        // page 0
        let bytes: u64 = self.get("vmcore")?.parse()?;
        let mib = u64::from(scenario.memory_mib);
        ensure!(
            bytes >> 20 >= mib - 192 - 8 && bytes >> 20 < mib,
            "/proc/vmcore has {bytes} bytes, the machine {mib} MiB"
        );
        let cores = self.notes.iter().filter(|name| *name == "CORE").count();
        ensure!(
            cores == scenario.cpus as usize,
            "{cores} CPUs left their registers, expected {}: {:?}",
            scenario.cpus,
            self.notes
        );
        ensure!(
            self.notes.iter().any(|name| name == "VMCOREINFO"),
            "no VMCOREINFO: {:?}",
            self.notes
        );
        Ok(())
    }
}
