//! A panicking Linux, or Xen, starts Xen in the crash region; dom0 there finds everything that the panicked system had in
//! memory.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{self, Asset, LINUX_6_1, LINUX_6_12};
use images::cpio::Archive;
use images::guest::{self, CRASH, STAGE1, Stage1};
use tests::crash::Host;
use tests::known_pages::MARKER;
use tests::{Board, Firmware, Machine, Outcome, known_pages_bin, mbtool_bin};

/// Four times what the slowest case takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(600);

/// CPUs of every machine.
const CPUS: u32 = 4;

/// One case.
#[derive(Clone, Copy)]
struct Case {
    xen: &'static str,
    /// The system that panics.
    host: Host,
    dom0: &'static Asset,
    firmware: Firmware,
    board: Board,
    memory_mib: u32,
    crashkernel: &'static str,
    /// The CPU that panics.
    cpu: u32,
    xen_args: &'static str,
    /// CPUs that Xen starts.
    cpus: u32,
    /// Bytes added to dom0's initial RAM disk.
    ballast: usize,
    /// Pages made before the crash.
    pages: u32,
}

const CASE: Case = Case {
    xen: "4.20",
    host: Host::Linux(&LINUX_6_1),
    dom0: &LINUX_6_1,
    firmware: Firmware::SeaBios,
    board: Board::Pc,
    memory_mib: 2048,
    crashkernel: "768M",
    cpu: 2,
    xen_args: "",
    cpus: CPUS - 1,
    ballast: 0,
    pages: 4096,
};

impl Case {
    /// The image with its options.
    fn image(&self) -> String {
        format!(
            "--console com1 /xen.gz --cmdline 'com1=115200,8n1 console=com1 loglvl=all {}' \
             --module '/vmlinuz console=hvc0 quiet panic=-1' --initrd /crash-initrd",
            self.xen_args
        )
    }

    fn script(&self) -> String {
        let (pages, image) = (self.pages, self.image());
        format!(
            "mount -o remount,size=90% /tmp\n\
             known-pages make /tmp/known {pages}\n\
             mbtool load -p {image}\n\
             taskset {:x} sh -c 'echo c > /proc/sysrq-trigger'\n",
            1 << self.cpu
        )
    }

    /// What `crash size` says in the system that is to panic, when nothing is reserved there yet.
    fn advised(&self, name: &str) -> Result<String> {
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
        let word = outcome.value("ADVISED crashkernel=");
        word.map(str::to_owned).context("nothing is advised")
    }

    /// The first system's initial RAM disk, and the digest that the crash kernel's has of its payload.
    fn stage1(&self, script: &str) -> Result<(Vec<u8>, String)> {
        let known_pages = known_pages_bin()?;
        let dump = format!(
            "known-pages notes /proc/vmcore\n\
             known-pages scan /proc/vmcore {}\n\
             try dmesg makedumpfile --dump-dmesg /proc/vmcore /tmp/dmesg\n\
             say \"panic=$(grep -m 1 -o 'Kernel panic - not syncing.*' /tmp/dmesg)\"\n",
            self.pages
        );
        let (mut initrd, digest) = guest::crash_initrd(known_pages, &dump)?;
        if self.ballast > 0 {
            let mut more = Archive::new();
            more.file("ballast", 0o644, &vec![0xb5; self.ballast])?;
            initrd.extend(more.finish()?);
        }
        let stage1 = Stage1::new(script)?
            .file("bin/mbtool", mbtool_bin()?)?
            .file("bin/known-pages", known_pages)?
            .file("xen.gz", assets::xen(self.xen)?.path()?)?
            .file("vmlinuz", self.dom0.path()?)?
            .bytes("crash-initrd", &initrd)?
            .finish()?;
        Ok((stage1, digest.to_string()))
    }

    /// The machine, with the first system on it.
    fn machine(&self, words: &str, stage1: Vec<u8>) -> Result<Machine> {
        let machine = match self.host {
            Host::Linux(kernel) => Machine::new(self.firmware, kernel.path()?)
                .append("console=ttyS0,115200 quiet panic=-1")
                .append(words)
                .initrd(stage1),
            Host::Xen(version) => Machine::xen(version, words, "", stage1)?,
        };
        let machine = machine.board(self.board).cpus(CPUS);
        Ok(machine.memory_mib(self.memory_mib))
    }

    fn run(&self, name: &str) -> Result<(Outcome, String)> {
        let (stage1, digest) = self.stage1(&self.script())?;
        let end = format!("{CRASH}END");
        let failed = format!("{STAGE1}FAIL");
        let pages_failed = format!("{MARKER}FAIL");
        let words = format!("crashkernel={}", self.crashkernel);
        let outcome = self
            .machine(&words, stage1)?
            // the first system is meant to panic
            .failures(&[&failed, &pages_failed, "Panic on CPU "])
            .run(name, DEADLINE, &[&end])?
            .ended_with(&end)?;
        Ok((outcome, digest))
    }

    /// Runs it as `name` and checks all that dom0 says.
    fn check(&self, name: &str) -> Result<()> {
        let (outcome, digest) = self.run(name)?;
        self.verify(&outcome, &digest)
            .with_context(|| format!("see {}", outcome.log.display()))
    }

    fn verify(&self, outcome: &Outcome, digest: &str) -> Result<()> {
        let value = |key: &str| {
            let found = outcome.value(&format!("{CRASH}{key}="));
            found.with_context(|| format!("dom0 did not report {key}"))
        };
        let is = |key: &str, expected: &str| -> Result<()> {
            let found = value(key)?;
            ensure!(found == expected, "{key} is {found}, expected {expected}");
            Ok(())
        };
        is("digest", digest)?;
        let cpus = match self.host {
            Host::Linux(_) => {
                let who = if self.cpu == 0 {
                    "in long mode on the boot CPU, apic id 0, ".to_owned()
                } else {
                    format!("in long mode on an application CPU, apic id {}, ", self.cpu)
                };
                ensure!(outcome.contains(&who), "{who}");
                self.cpus
            }
            // where Xen runs the CPU of dom0 that panics is Xen's
            Host::Xen(_) => {
                ensure!(outcome.contains("entered by xen"), "not by Xen");
                CPUS - u32::from(outcome.contains("in long mode on an application CPU"))
            }
        };
        is("cpus", &cpus.to_string())?;
        if cpus > 1 {
            let brought_up = format!("(XEN) Brought up {cpus} CPUs");
            ensure!(outcome.contains(&brought_up), "{brought_up}");
        }
        ensure!(value("acpi-tables")? != "0", "dom0 has no ACPI tables");
        let found = outcome.value(&format!("{MARKER}found="));
        let found = found.context("dom0 did not look for the pages")?;
        let pages = self.pages;
        ensure!(
            found.starts_with(&format!("{pages} of={pages} ")) && found.contains(" unreadable=0"),
            "of {pages} known pages and all memory: found={found}"
        );
        if pages > CASE.pages {
            // most of memory is known pages, so many are where dom0 has memory of its own
            let low = found
                .split_once(" low=")
                .and_then(|(_, low)| low.split(' ').next());
            let low: u32 = low.context("low=")?.parse()?;
            ensure!(low > 1000, "{low} known pages below 128 MiB");
        }
        // all but the region, the firmware's part and page 0
        let bytes: u64 = value("vmcore")?.parse()?;
        let region = self.crashkernel.split('M').next().unwrap_or_default();
        let region: u64 = region.parse()?;
        let expected = u64::from(self.memory_mib) - region;
        ensure!(
            bytes >> 20 >= expected - 16 && bytes >> 20 < expected + 64,
            "/proc/vmcore has {bytes} bytes, expected {expected} MiB"
        );
        let notes = outcome.lines.iter();
        let notes: Vec<&str> = notes
            .filter_map(|line| {
                line.split_once(&format!("{MARKER}note="))
                    .map(|(_, note)| note)
            })
            .collect();
        let cores = notes
            .iter()
            .filter(|note| note.starts_with("CORE "))
            .count();
        ensure!(
            cores == CPUS as usize && notes.iter().any(|note| note.starts_with("VMCOREINFO ")),
            "{cores} CPUs left their registers, expected {CPUS}: {notes:?}"
        );
        // makedumpfile wants to be told that a dump is Xen's
        if matches!(self.host, Host::Linux(_)) {
            is("dmesg", "ok")?;
            let panic = value("panic")?;
            ensure!(panic.contains("sysrq triggered crash"), "panic={panic}");
        }
        Ok(())
    }
}

#[test]
fn crash_to_xen_4_20_on_cpu_0() -> Result<()> {
    let case = Case {
        cpu: 0,
        cpus: CPUS,
        memory_mib: 3072,
        ..CASE
    };
    case.check("crash_to_xen_4_20_on_cpu_0")
}

#[test]
#[ignore = "long form: cargo e2e --test crash_to_xen -- --ignored"]
fn crash_to_xen_4_20_on_cpu_2() -> Result<()> {
    CASE.check("crash_to_xen_4_20_on_cpu_2")
}

#[test]
#[ignore = "long form: cargo e2e --test crash_to_xen -- --ignored"]
fn crash_to_xen_4_17_on_cpu_2() -> Result<()> {
    let case = Case {
        xen: "4.17",
        ..CASE
    };
    case.check("crash_to_xen_4_17_on_cpu_2")
}

#[test]
#[ignore = "long form: cargo e2e --test crash_to_xen -- --ignored"]
fn crash_to_xen_4_17_ovmf_on_cpu_0() -> Result<()> {
    let case = Case {
        xen: "4.17",
        firmware: Firmware::Ovmf,
        cpu: 0,
        cpus: CPUS,
        ..CASE
    };
    case.check("crash_to_xen_4_17_ovmf_on_cpu_0")
}

#[test]
fn crash_to_xen_4_20_ovmf_q35_on_cpu_2() -> Result<()> {
    let case = Case {
        firmware: Firmware::Ovmf,
        board: Board::Q35,
        ..CASE
    };
    case.check("crash_to_xen_4_20_ovmf_q35_on_cpu_2")
}

/// Memory on both sides of 4 GiB, and an initial RAM disk of 75 MB: dom0's window is half as large again.
#[test]
#[ignore = "long form: cargo e2e --test crash_to_xen -- --ignored"]
fn crash_to_xen_4_20_large_initrd_6_gib_on_cpu_3() -> Result<()> {
    let case = Case {
        board: Board::Q35,
        memory_mib: 6144,
        cpu: 3,
        ballast: 60 << 20,
        ..CASE
    };
    case.check("crash_to_xen_4_20_large_initrd_6_gib_on_cpu_3")
}

#[test]
#[ignore = "long form: cargo e2e --test crash_to_xen -- --ignored"]
fn crash_linux_6_12_to_xen_with_dom0_6_12_on_cpu_1() -> Result<()> {
    let case = Case {
        host: Host::Linux(&LINUX_6_12),
        dom0: &LINUX_6_12,
        cpu: 1,
        ..CASE
    };
    case.check("crash_linux_6_12_to_xen_with_dom0_6_12_on_cpu_1")
}

/// In no more than `crash size` says to reserve for this image.
#[test]
#[ignore = "long form: cargo e2e --test crash_to_xen -- --ignored"]
fn crash_to_xen_4_20_in_what_is_advised_on_cpu_2() -> Result<()> {
    let advised = CASE.advised("crash_to_xen_4_20_advised")?;
    eprintln!("advised: crashkernel={advised}");
    let case = Case {
        crashkernel: advised.leak(),
        ..CASE
    };
    case.check("crash_to_xen_4_20_in_what_is_advised_on_cpu_2")
}

/// The other way: one CPU, as asked for.
#[test]
#[ignore = "long form: cargo e2e --test crash_to_xen -- --ignored"]
fn crash_to_xen_nosmp_on_cpu_2() -> Result<()> {
    let case = Case {
        xen_args: "nosmp",
        cpus: 1,
        ..CASE
    };
    case.check("crash_to_xen_nosmp_on_cpu_2")
}

/// Nearly all memory is known pages.
#[test]
#[ignore = "long form: cargo e2e --test crash_to_xen -- --ignored"]
fn crash_to_xen_with_memory_full_on_cpu_1() -> Result<()> {
    let case = Case {
        cpu: 1,
        pages: 200_000,
        ..CASE
    };
    case.check("crash_to_xen_with_memory_full_on_cpu_1")
}

#[test]
#[ignore = "long form: cargo e2e --test crash_to_xen -- --ignored"]
fn crash_xen_4_20_to_xen_4_20() -> Result<()> {
    let case = Case {
        host: Host::Xen("4.20"),
        crashkernel: "640M@256M",
        ..CASE
    };
    case.check("crash_xen_4_20_to_xen_4_20")
}

/// The region covers dom0's window: nothing is copied there.
#[test]
fn crash_xen_4_17_to_xen_4_17_at_16_mib() -> Result<()> {
    let case = Case {
        host: Host::Xen("4.17"),
        xen: "4.17",
        crashkernel: "512M@16M",
        ..CASE
    };
    case.check("crash_xen_4_17_to_xen_4_17_at_16_mib")
}
