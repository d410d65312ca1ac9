//! From a dom0 to Linux or to another Xen by Xen's kexec, also in configurations where Xen loses
//! pages of other loaders (docs/xen-kexec-defect.md).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{self, Asset, LINUX_6_1};
use images::guest::{self, DEBIAN, DOM0, DebianGuest, STAGE1, Stage1};
use images::payloads::{MB2_FIXED, MB2_RELOC_HIGHEST};
use images::report::PayloadReport;
use images::rootfs::{Debian, UUID};
use tests::{Board, DEBUG_EXIT, FIRST_LINUX, Machine, Outcome, SERIAL_CMDLINE, mbtool_bin};

tests::cases! {
    xen_4_17_to_linux: restored 14 s, "slow";
    xen_4_20_to_linux: restored 14 s;
    xen_4_17_to_linux_low_with_87_mib: restored 25 s;
    xen_4_20_to_linux_low_with_87_mib: restored 14 s, "slow";
    xen_4_17_to_linux_with_100_mib: restored 14 s, "slow";
    xen_4_20_to_linux_with_100_mib: restored 23 s;
    xen_4_17_lives_through_replace_and_unload: restored 14 s, "slow";
    xen_4_20_lives_through_replace_and_unload: restored 14 s;
    pages_that_xen_loses_are_counted: booted 25 s;
    a_dom0_above_4_gib_reaches_linux: booted 40 s;
    xen_4_17_to_xen_4_20: booted 14 s, "slow";
    xen_4_20_to_xen_4_17: restored 14 s;
    the_command_line_of_dom0_is_reused_for_linux: restored 14 s;
    xen_starts_again_with_the_command_lines_of_xen_and_dom0: restored 20 s;
    debian_leaves_xen_through_systemd: booted 90 s, "slow";
    a_payload_finds_itself_in_place: booted 14 s;
    a_payload_with_a_place_of_its_own_is_moved_there: booted 14 s;
}

/// Four times what the slowest case takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(480);

/// Command line of the target Linux. Linux counts timer interrupts during a TSC delay, and panics
/// when the emulator misses some on a busy host.
const TARGET: &str = SERIAL_CMDLINE;

/// A machine with Xen, and the commands in its dom0.
struct Case {
    xen: &'static str,
    xen_args: &'static str,
    dom0_args: &'static str,
    board: Board,
    cpus: u32,
    memory_mib: u32,
    /// dom0's kernel.
    dom0: &'static Asset,
    /// The Linux image.
    linux: &'static Asset,
    /// MiB that the target Xen reserves for a crash image.
    reserved_mib: u64,
    /// Commands before the jump; they load.
    script: String,
}

impl Case {
    /// 2 CPUs, 2 GiB, a crash area, and a dom0 with the rest: kexec-tools hangs in this
    /// configuration.
    fn new(xen: &'static str, script: impl Into<String>) -> Self {
        Self {
            xen,
            xen_args: "crashkernel=256M@256M",
            dom0_args: "",
            board: Board::Pc,
            cpus: 2,
            memory_mib: 2048,
            dom0: FIRST_LINUX,
            linux: FIRST_LINUX,
            reserved_mib: 0,
            script: script.into(),
        }
    }

    /// Runs it as `name` until a line contains `end`, or QEMU ends. dom0 has `files`, a Linux and
    /// its initramfs.
    fn run(&self, name: &str, end: &[&str], files: &[(&str, &[u8])]) -> Result<Outcome> {
        let (target, _) = guest::dom0_initrd()?;
        let script = format!("{}\nmbtool exec -f\n", self.script);
        let mut initrd = Stage1::new(&script)?
            .file("bin/mbtool", mbtool_bin()?)?
            .file("vmlinuz", self.linux.path()?)?
            .bytes("initrd", &target)?;
        for (path, data) in files {
            initrd = initrd.bytes(path, data)?;
        }
        let outcome = Machine::xen(self.xen, self.xen_args, self.dom0_args, initrd.finish()?)?
            .linux(self.dom0)?
            .board(self.board)
            .cpus(self.cpus)
            .memory_mib(self.memory_mib)
            .args(DEBUG_EXIT)
            .run(name, DEADLINE, end)?;
        let start = outcome.value(&format!("{STAGE1}START "));
        let xen = format!(" xen={}.", self.xen);
        ensure!(
            start.is_some_and(|start| start.contains(&xen)),
            "no dom0 of Xen {}: {}",
            self.xen,
            outcome.describe()
        );
        Ok(outcome)
    }

    /// Runs it as `name` up to a Linux that reports, and checks its report: on `xen`, or on the
    /// machine itself.
    fn arrives(&self, name: &str, xen: Option<&str>, files: &[(&str, &[u8])]) -> Result<Outcome> {
        let end = format!("{DOM0}END");
        let outcome = self.run(name, &[&end], files)?.ended_with(&end)?;
        self.check(&outcome, xen)
            .with_context(|| outcome.describe())?;
        Ok(outcome)
    }

    fn check(&self, outcome: &Outcome, xen: Option<&str>) -> Result<()> {
        let (_, digest) = guest::dom0_initrd()?;
        let found: BTreeMap<&str, &str> = outcome
            .lines
            .iter()
            .filter_map(|line| line.split_once(DOM0)?.1.split_once('='))
            .collect();
        let get = |key| found.get(key).copied().with_context(|| format!("no {key}"));
        match xen {
            Some(xen) => ensure!(get("xen")?.starts_with(xen), "Xen {}", get("xen")?),
            None => ensure!(get("xen")? == "none", "still on Xen {}", get("xen")?),
        }
        ensure!(get("digest")? == digest.to_string(), "a damaged initrd");
        // dom0 has made a large initramfs
        let big = outcome
            .value("BIG ")
            .and_then(|line| line.split(' ').next());
        ensure!(found.get("big").copied() == big, "{:?}", found.get("big"));
        ensure!(
            get("cpus")? == self.cpus.to_string(),
            "{} CPUs",
            get("cpus")?
        );
        ensure!(get("acpi-tables")?.parse::<u32>()? > 0, "no ACPI");
        let kib: u64 = get("mem")?.trim_end_matches("KiB").parse()?;
        let all = u64::from(self.memory_mib) * 1024;
        let least = if xen.is_some() {
            all / 8 * 7 - (200 + self.reserved_mib) * 1024
        } else {
            all / 10 * 9
        };
        ensure!(kib > least && kib < all, "{kib} KiB of {all}");
        let lost = outcome
            .lines
            .iter()
            .any(|line| line.contains("kimage_alloc_page"));
        ensure!(!lost, "lost pages");
        Ok(())
    }

    /// Runs it as `name` up to a payload that reports and ends QEMU.
    fn payload(&self, name: &str, image: &[u8]) -> Result<(Outcome, PayloadReport)> {
        let outcome = self.run(name, &[], &[("payload", image)])?;
        let report = outcome.report()?;
        ensure!(report.image.sha256_valid, "the image arrived damaged");
        ensure!(report.bss.first_dirty.is_none(), ".bss is not zero");
        Ok((outcome, report))
    }
}

/// `mbtool load` of Linux with `initrd`.
fn load(options: &str, initrd: &str) -> String {
    format!(
        "mbtool load --console com1 {options} --cmdline '{TARGET}' --initrd {initrd} /vmlinuz\n"
    )
}

/// Creates /large from the initramfs and `mib` MiB that do not compress: 1 MiB of the payload
/// repeatedly, each with its number before it.
fn large(mib: u32) -> String {
    format!(
        "set +x\n\
         dd if=/initrd of=/block bs=1M skip=3 count=1 2>/dev/null\n\
         for n in $(seq {mib}); do echo \"block $n\"; cat /block; done > /big\n\
         cd /; echo big | cpio -o -H newc > /pad 2>/dev/null\n\
         cat /initrd /pad > /large; rm /pad\n\
         echo BIG $(md5sum /big); rm /big; cd -\n\
         set -x\n"
    )
}

fn xen_4_17_to_linux() -> Result<()> {
    let case = Case::new("4.17", load("", "/initrd"));
    case.arrives("out_of_xen_4_17_linux", None, &[])?;
    Ok(())
}

fn xen_4_20_to_linux() -> Result<()> {
    // the plan can be reproduced from its record of the machine
    let plan = format!("--json --console com1 --cmdline '{TARGET}' --initrd /initrd /vmlinuz");
    let script = format!(
        "mbtool status\n\
         mbtool plan {plan} > /tmp/here\n\
         mbtool plan --memory-map /tmp/here {plan} > /tmp/again\n\
         cmp /tmp/here /tmp/again\n{}",
        load("", "/initrd")
    );
    let case = Case {
        linux: &LINUX_6_1,
        ..Case::new("4.20", script)
    };
    case.arrives("out_of_xen_4_20_linux", None, &[])?;
    Ok(())
}

/// kexec-tools loses 2231 pages here, and hangs.
fn low_with_87_mib(xen: &'static str) -> Result<()> {
    let load = load("--mem-max=0x0fffffff", "/large");
    let case = Case::new(xen, large(77) + &load);
    let outcome = case.arrives(&format!("out_of_xen_{xen}_low"), None, &[])?;
    // if low memory has free pages of Xen's heap, the handoff moves data there
    let moved = outcome.contains("[handoff] relocate: copy ");
    eprintln!("moved by the handoff: {moved}");
    Ok(())
}

fn xen_4_17_to_linux_low_with_87_mib() -> Result<()> {
    low_with_87_mib("4.17")
}

fn xen_4_20_to_linux_low_with_87_mib() -> Result<()> {
    low_with_87_mib("4.20")
}

/// With kexec-tools the load panics the host, whose heap it exhausts.
fn low_with_100_mib(xen: &'static str) -> Result<()> {
    let load = load("--mem-max=0x0fffffff", "/large");
    let case = Case::new(xen, large(90) + &load);
    let outcome = case.arrives(&format!("out_of_xen_{xen}_100"), None, &[])?;
    assert!(
        outcome.contains("MiB of Xen's heap for the image"),
        "{}",
        outcome.describe()
    );
    Ok(())
}

fn xen_4_17_to_linux_with_100_mib() -> Result<()> {
    low_with_100_mib("4.17")
}

fn xen_4_20_to_linux_with_100_mib() -> Result<()> {
    low_with_100_mib("4.20")
}

/// Each of these steps panics the host with an image of kexec-tools.
fn replace_and_unload(xen: &'static str) -> Result<()> {
    let high = load("", "/initrd");
    let low = load("--mem-max=0x0fffffff", "/initrd");
    let script = format!(
        "{high}{low}mbtool unload\n{low}{high}mbtool unload\n{low}mbtool status\n\
         sleep 1\necho alive $((6 * 7))\n"
    );
    let case = Case::new(xen, script);
    let outcome = case.arrives(&format!("out_of_xen_{xen}_replace"), None, &[])?;
    assert!(outcome.contains("alive 42"), "{}", outcome.describe());
    Ok(())
}

fn xen_4_17_lives_through_replace_and_unload() -> Result<()> {
    replace_and_unload("4.17")
}

fn xen_4_20_lives_through_replace_and_unload() -> Result<()> {
    replace_and_unload("4.20")
}

fn pages_that_xen_loses_are_counted() -> Result<()> {
    let load = load("--drill xen-heap", "/large");
    // this depends on Xen's free pages: with another kernel in dom0 the load exhausted its heap,
    // and Xen panicked
    let case = Case {
        dom0: &LINUX_6_1,
        linux: &LINUX_6_1,
        ..Case::new("4.20", large(77) + &load)
    };
    let end = format!("{DOM0}END");
    let outcome = case.run("out_of_xen_drill", &["page(s) in all", &end], &[])?;
    let describe = || outcome.describe();
    ensure!(
        outcome.contains("DRILL: this image will fail deliberately"),
        "{}",
        describe()
    );
    if outcome.contains(&end) {
        // Xen's free pages vary: none of them was used
        eprintln!("Xen lost nothing this time: what arrived must be whole");
        ensure!(!outcome.contains("[handoff] lost "), "{}", describe());
        return case.check(&outcome, None);
    }
    let all = outcome
        .lines
        .iter()
        .find_map(|line| line.strip_prefix("[handoff] lost ")?.split(' ').next());
    let lost: u64 = all.with_context(describe)?.parse()?;
    ensure!(lost > 0, "{}", describe());
    // pieces of a segment are numbered
    let named = |line: &String| line.starts_with("[handoff] ") && line.contains(": lost ");
    ensure!(
        outcome.lines.iter().any(named) && outcome.contains("BAD crc32"),
        "{}",
        describe()
    );
    Ok(())
}

/// dom0's memory is above 4 GiB except for device memory, and nothing is reserved.
fn a_dom0_above_4_gib_reaches_linux() -> Result<()> {
    let case = Case {
        xen_args: "dom0_mem=512M",
        board: Board::Q35,
        cpus: 4,
        memory_mib: 6144,
        ..Case::new("4.20", load("", "/initrd"))
    };
    let outcome = case.arrives("out_of_xen_above_4_gib", None, &[])?;
    // Linux is entered where it was loaded, or moved down
    let jump = outcome.value("[handoff] jump to 0x");
    let entry = jump.and_then(|rest| rest.split(' ').next());
    let entry = entry.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let high = entry.is_some_and(|entry| entry >= 4 << 30);
    ensure!(
        high || outcome.contains("[handoff] relocate: copy "),
        "{}",
        outcome.describe()
    );
    Ok(())
}

/// Xen's console, which Linux does not have without Xen, becomes the serial port.
fn the_command_line_of_dom0_is_reused_for_linux() -> Result<()> {
    let script = "mbtool load /vmlinuz --initrd /initrd --reuse-cmdline --cmdline no_timer_check\n";
    let case = Case::new("4.20", script);
    let outcome = case.arrives("out_of_xen_reused", None, &[])?;
    let line = outcome
        .value(&format!("{DOM0}cmdline="))
        .unwrap_or_default();
    let consoles: Vec<&str> = line
        .split(' ')
        .filter(|p| p.starts_with("console="))
        .collect();
    ensure!(
        consoles == ["console=ttyS0,115200n8"] && line.ends_with("no_timer_check"),
        "{line}"
    );
    // the handoff prints on the port of the running Xen
    ensure!(
        outcome.contains("[handoff] mbtool "),
        "{}",
        outcome.describe()
    );
    Ok(())
}

fn xen_starts_again_with_the_command_lines_of_xen_and_dom0() -> Result<()> {
    let script = "cat /proc/cmdline\n\
                  mbtool load /xen.gz --reuse-cmdline --module /vmlinuz --initrd /initrd\n";
    let case = Case {
        reserved_mib: 256,
        ..Case::new("4.20", script)
    };
    let xen = std::fs::read(assets::xen(case.xen)?.path()?)?;
    let outcome = case.arrives("xen_again", Some(case.xen), &[("xen.gz", &xen)])?;
    let lines: Vec<&str> = outcome
        .lines
        .iter()
        .filter_map(|line| Some(line.split_once("(XEN) Command line: ")?.1))
        .collect();
    let [first, again] = lines[..] else {
        anyhow::bail!("{lines:?}: {}", outcome.describe());
    };
    ensure!(
        again == format!("no-real-mode {first}"),
        "{first} became {again}"
    );
    let line = outcome
        .value(&format!("{DOM0}cmdline="))
        .unwrap_or_default();
    ensure!(
        !line.is_empty() && outcome.lines.iter().any(|running| running == line),
        "dom0 gets {line}: {}",
        outcome.describe()
    );
    Ok(())
}

/// A Debian with systemd in dom0, and the same Debian without Xen after it, by the orderly way.
fn debian_leaves_xen_through_systemd() -> Result<()> {
    let debian = Debian::find()?;
    let names = |path: &Path| path.file_name().map(std::ffi::OsStr::to_owned);
    let (dom0, kernel) = (LINUX_6_1.path()?, debian.kernel()?);
    ensure!(
        names(dom0) == names(&kernel),
        "{} is not the kernel of the disk, {}",
        dom0.display(),
        kernel.display()
    );
    let script = r#"
say() { echo "MBTOOL-DEBIAN $*"; }
xen=none
[ ! -e /sys/hypervisor/type ] || xen=$(cat /sys/hypervisor/type)
say "boot-$1=$xen $(cat /proc/cmdline)"
if [ $1 -eq 1 ]; then
	modprobe xen-privcmd
	mbtool load /boot/vmlinuz-$(uname -r) --initrd /boot/second --reuse-cmdline
	mbtool exec
	exec sleep 600
fi
"#;
    let second = DebianGuest::new(&debian, script)?.finish()?;
    let first = DebianGuest::new(&debian, script)?
        .file("usr/sbin/mbtool", mbtool_bin()?)?
        .bytes("boot/second", &second)?
        .finish()?;
    let root = format!("root=UUID={UUID} ro");
    let end = format!("{DEBIAN}END");
    let outcome = Machine::xen("4.20", "", &root, first)?
        .linux(&LINUX_6_1)?
        .disk(&debian.disk)
        .failures(&[&format!("{DEBIAN}FAIL")])
        .run("debian_leaves_xen", DEADLINE, &[&end])?
        .ended_with(&end)?;
    let of = |boot: u32| outcome.value(&format!("{DEBIAN}boot-{boot}="));
    let (before, after) = (of(1).unwrap_or_default(), of(2).unwrap_or_default());
    ensure!(
        before.starts_with("xen ") && before.contains("console=hvc0"),
        "{before}: {}",
        outcome.describe()
    );
    ensure!(
        after.starts_with("none ") && after.contains(&root) && !after.contains("hvc0"),
        "{after}: {}",
        outcome.describe()
    );
    Ok(())
}

/// From Xen `from` to Xen `to` with a dom0.
fn xen_to_xen(from: &'static str, to: &'static str, cpus: u32) -> Result<()> {
    let script = "mbtool load --console com1 /xen.gz --cmdline 'com1=115200,8n1 console=com1 loglvl=info bootscrub=0' \
                  --module '/vmlinuz console=hvc0 quiet panic=-1 cryptomgr.notests rodata=off' --initrd /initrd\n";
    let case = Case {
        cpus,
        ..Case::new(from, script)
    };
    let xen = std::fs::read(assets::xen(to)?.path()?)?;
    let name = format!("out_of_xen_{from}_{to}");
    let outcome = case.arrives(&name, Some(to), &[("xen.gz", &xen)])?;
    let brought_up = format!("(XEN) Brought up {cpus} CPUs");
    let times = outcome
        .lines
        .iter()
        .filter(|line| line.contains(&brought_up));
    assert_eq!(times.count(), 2, "{}", outcome.describe());
    Ok(())
}

fn xen_4_17_to_xen_4_20() -> Result<()> {
    xen_to_xen("4.17", "4.20", 4)
}

fn xen_4_20_to_xen_4_17() -> Result<()> {
    xen_to_xen("4.20", "4.17", 2)
}

fn a_payload_finds_itself_in_place() -> Result<()> {
    let load = "mbtool load --console com1 --cmdline hello /payload";
    let case = Case::new("4.17", load);
    let (outcome, report) = case.payload("out_of_xen_payload", MB2_RELOC_HIGHEST)?;
    assert!(report.load_base > 0x400_0000, "{}", outcome.describe());
    assert!(!outcome.contains("[handoff] relocate: copy "));
    Ok(())
}

fn a_payload_with_a_place_of_its_own_is_moved_there() -> Result<()> {
    // dom0 has nothing below 4 GiB, and nothing is reserved: only the first MiB is safe
    let case = Case {
        xen_args: "dom0_mem=512M",
        dom0_args: "swiotlb=noforce",
        board: Board::Q35,
        memory_mib: 6144,
        ..Case::new(
            "4.20",
            "mbtool load --console com1 --cmdline hello /payload",
        )
    };
    let (outcome, report) = case.payload("out_of_xen_payload_fixed", MB2_FIXED)?;
    assert_eq!(report.load_base, 0x40_0000);
    for text in [" at 0x10000, entered by xen", "[handoff] relocate: copy "] {
        assert!(outcome.contains(text), "{text}: {}", outcome.describe());
    }
    Ok(())
}
