//! A real Debian with systemd and initramfs-tools: set up for crash dumps, crashed, its memory
//! saved by Xen and a dom0 with the initramfs built by Debian's mkinitramfs, and rebooted.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use images::assets::{CRASH_8_0_6, LINUX_6_1_DEBUG, XEN_4_20};
use images::guest::{DEBIAN, DebianGuest};
use images::rootfs::{Debian, Program, UUID};
use tests::{Firmware, Machine, Outcome, SERIAL_CMDLINE, mbtool_bin};

mod scripts;

use scripts::{
    BY_SSH, COMMON, CRASHED, FROM_SCRATCH, GRUB_CFG, SAVED, SSH_SERVER, TO_DISK, TO_LVM,
    WITHOUT_DISK,
};

tests::cases! {
    crash_debian_saves_to_disk: booted 140 s;
    crash_debian_from_scratch: booted 90 s, "slow";
    crash_debian_is_read_by_crash: booted 90 s, "slow, fetches 855 MB";
    crash_debian_saves_to_lvm_on_raid: booted 90 s, "slow";
    crash_debian_boots_again_without_the_disk: booted 90 s, "slow";
    crash_debian_saves_by_ssh: booted 90 s, "slow";
}

/// Four times what it takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(1200);

/// Arguments of the kernel, for GRUB.
const ARGS: &str = SERIAL_CMDLINE;

/// Size of the reservation: the advice of `mbtool crash size` for this image.
const CRASHKERNEL: &str = "544M";

/// Debian that runs `script`, and the line that ends a run.
struct Guest {
    debian: Debian,
    end: String,
}

impl Guest {
    fn new() -> Result<Self> {
        Ok(Self {
            debian: Debian::find()?,
            end: format!("{DEBIAN}END"),
        })
    }

    /// Returns an initramfs that runs `script` on its disk, with mbtool, Xen and the files
    /// `more`.
    fn initrd(&self, script: &str, more: &[(&str, &[u8])]) -> Result<Vec<u8>> {
        let mut guest = DebianGuest::new(&self.debian, &format!("{COMMON}{script}"))?
            .file("usr/sbin/mbtool", mbtool_bin()?)?
            .file("boot/xen-4.20-amd64.gz", XEN_4_20.path()?)?;
        for (path, data) in more {
            guest = guest.bytes(path, data)?;
        }
        guest.finish()
    }

    /// The machine for it with [`Self::initrd`]; continues after a reset.
    fn machine(&self, script: &str, more: &[(&str, &[u8])]) -> Result<Machine> {
        let machine = Machine::new(Firmware::SeaBios, &self.debian.kernel()?)
            .append(&format!("root=UUID={UUID} ro {ARGS}"))
            .initrd(self.initrd(script, more)?)
            .disk(&self.debian.disk);
        Ok(meant_to_panic(machine))
    }

    /// Like [`Self::machine`], by UEFI and GRUB, from the created disk `disk`, with the EFI system
    /// partition in `esp`.
    fn grub_machine(&self, script: &str, disk: &Path, esp: &Path) -> Result<Machine> {
        let default =
            format!("GRUB_DEFAULT=0\nGRUB_TIMEOUT=0\nGRUB_CMDLINE_LINUX_DEFAULT='{ARGS}'\n");
        let initrd = self.initrd(script, &[("etc/default/grub", default.as_bytes())])?;
        self.debian.bootable_disk(&initrd, disk)?;
        let boot = esp.join("EFI/BOOT");
        let debian = esp.join("EFI/debian");
        for dir in [&boot, &debian] {
            fs::create_dir_all(dir)?;
        }
        fs::copy(self.debian.grub_efi(), boot.join("BOOTX64.EFI"))?;
        let config = GRUB_CFG
            .replace("@UUID@", UUID)
            .replace("@RELEASE@", &self.debian.release()?)
            .replace("@ARGS@", ARGS);
        fs::write(debian.join("grub.cfg"), config)?;
        let machine = Machine::from_disk(Firmware::Ovmf).disk(disk).fat_disk(esp);
        Ok(meant_to_panic(machine))
    }

    /// Runs `machine` as `name`; prints how long each part took.
    fn run(&self, name: &str, machine: &Machine) -> Result<Outcome> {
        let marks = [
            "MBTOOL-DEBIAN BOOT 1",
            "MBTOOL-DEBIAN CRASH",
            "Xen version 4.20",
            "this kernel saves the memory",
            "MBTOOL-DEBIAN BOOT 2",
            "MBTOOL-DEBIAN END",
        ];
        let mut times = Vec::new();
        let outcome = machine.run_with(name, DEADLINE, &[&self.end], &mut |at, line| {
            let traced = line.starts_with("MBTOOL-DEBIAN + ");
            if let Some(mark) = marks.iter().find(|mark| !traced && line.contains(**mark)) {
                times.push(format!("{name}: {mark}: {:.0} s", at.as_secs_f32()));
            }
        })?;
        eprintln!("{}", times.join("\n"));
        outcome.ended_with(&self.end)
    }
}

/// Returns `machine` whose first system panics intentionally, and which continues after the reset
/// of a later one.
fn meant_to_panic(machine: Machine) -> Machine {
    let failed = format!("{DEBIAN}FAIL");
    machine.reboots().failures(&[&failed, "Panic on CPU "])
}

/// Checks that the guest printed `expected` of `key`.
fn is(outcome: &Outcome, key: &str, expected: &str) -> Result<()> {
    let found = outcome.value(&format!("{DEBIAN}{key}="));
    let found = found.with_context(|| format!("the guest did not print {key}"))?;
    ensure!(
        found == expected,
        "{key} is {found:?}, expected {expected:?}: see {}",
        outcome.log.display()
    );
    Ok(())
}

fn crash_debian_saves_to_disk() -> Result<()> {
    let guest = Guest::new()?;
    let machine = guest
        .machine(&format!("{TO_DISK}{SAVED}"), &[])?
        .append(&format!("crashkernel={CRASHKERNEL}"));
    let outcome = guest.run("crash_debian_saves_to_disk", &machine)?;
    is(&outcome, "advised", &format!("crashkernel={CRASHKERNEL}"))?;
    is(&outcome, "fresh", "1")?;
    saved(&outcome)
}

/// Checks the output of [`SAVED`].
fn saved(outcome: &Outcome) -> Result<()> {
    let is = |key, expected| is(outcome, key, expected);
    is("sum", "ok")?;
    for key in ["panic", "saved-panic"] {
        is(key, "Kernel panic - not syncing: sysrq triggered crash")?;
    }
    // loaded again by the boot
    is("unit", "active")?;
    is("enabled", "enabled")?;
    is("loaded", "1")?;
    is("left", "0")?;
    is("unloaded", "0")
}

/// From a Debian without a reservation to a saved dump, by the steps of docs/crash-kernel.md only,
/// booted by UEFI and GRUB.
fn crash_debian_from_scratch() -> Result<()> {
    let guest = Guest::new()?;
    let dir = tempfile::tempdir()?;
    let script = format!("{FROM_SCRATCH}{CRASHED}{SAVED}");
    let machine = guest.grub_machine(&script, &dir.path().join("disk"), &dir.path().join("esp"))?;
    let outcome = guest.run("crash_debian_from_scratch", &machine)?;
    let advised = outcome.value(&format!("{DEBIAN}advised="));
    let advised = advised.context("nothing was advised")?;
    ensure!(advised.starts_with("crashkernel="), "{advised}");
    is(&outcome, "reserved", advised)?;
    let dry_run = outcome
        .value(&format!("{DEBIAN}dry-run="))
        .unwrap_or_default();
    ensure!(dry_run.contains(advised), "the dry run printed {dry_run:?}");
    let doctor = outcome
        .value(&format!("{DEBIAN}doctor="))
        .unwrap_or_default();
    ensure!(doctor.starts_with("ready: "), "doctor printed {doctor:?}");
    saved(&outcome)
}

/// crash(8), with the kernel's debug symbols, reads the saved dump: panic, processes, stack.
fn crash_debian_is_read_by_crash() -> Result<()> {
    let vmlinux = LINUX_6_1_DEBUG.path()?;
    let guest = Guest::new()?;
    let vmcore = tempfile::NamedTempFile::new()?;
    vmcore.as_file().set_len(512 << 20)?;
    let out = format!("file={},format=raw,if=none,id=out", vmcore.path().display());
    let machine = guest
        .machine(&format!("{TO_DISK}{SAVED}"), &[])?
        .append(&format!("crashkernel={CRASHKERNEL}"))
        .args([
            "-drive",
            &out,
            "-device",
            // in a slot after that of Debian's own disk, which must be the first one
            "virtio-blk-pci,drive=out,serial=vmcore,addr=0x10",
        ]);
    let outcome = guest.run("crash_debian_is_read_by_crash", &machine)?;
    saved(&outcome)?;
    let size = outcome.value(&format!("{DEBIAN}size=")).context("size")?;
    vmcore.as_file().set_len(size.parse()?)?;
    let dir = tempfile::tempdir()?;
    let commands = dir.path().join("commands");
    fs::write(&commands, "sys\nbt\nps\nlog\nexit\n")?;
    let mut crash = Program::of(&CRASH_8_0_6)?
        .args(["-s", "-i"])
        .arg_path("", &commands)
        .arg_path("", vmlinux)
        .arg_path("", vmcore.path())
        .command();
    crash.env("HOME", dir.path()).env("TERM", "linux");
    let printed = crash.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&printed.stdout).into_owned();
    fs::write(
        tests::run::dir("crash_debian_is_read_by_crash").join("crash"),
        &text,
    )?;
    for part in [
        "PANIC: \"Kernel panic - not syncing: sysrq triggered crash\"",
        "sysrq_handle_crash",
        " systemd-journal\n",
        "[kthreadd]",
        "Linux version 6.1",
    ] {
        ensure!(
            text.contains(part),
            "{part}: {text}\n{}",
            String::from_utf8_lossy(&printed.stderr)
        );
    }
    Ok(())
}

/// A target on several disks: LVM on RAID, which the initramfs must set up.
fn crash_debian_saves_to_lvm_on_raid() -> Result<()> {
    let guest = Guest::new()?;
    let mut machine = guest
        .machine(&format!("{TO_LVM}{SAVED}"), &[])?
        .append(&format!("crashkernel={CRASHKERNEL}"));
    let disks = [
        tempfile::NamedTempFile::new()?,
        tempfile::NamedTempFile::new()?,
    ];
    for disk in &disks {
        disk.as_file().set_len(512 << 20)?;
        machine = machine.disk(disk.path());
    }
    saved(&guest.run("crash_debian_saves_to_lvm_on_raid", &machine)?)
}

/// The file system for the dump is missing when the crash kernel searches it: the machine reboots
/// anyway.
fn crash_debian_boots_again_without_the_disk() -> Result<()> {
    let guest = Guest::new()?;
    let disk = tempfile::NamedTempFile::new()?;
    disk.as_file().set_len(64 << 20)?;
    let machine = guest
        .machine(WITHOUT_DISK, &[])?
        .append(&format!("crashkernel={CRASHKERNEL}"))
        .disk(disk.path());
    let outcome = guest.run("crash_debian_boots_again_without_the_disk", &machine)?;
    is(&outcome, "saved", "0")?;
    is(&outcome, "unit", "active")?;
    let printed = "the disk UUID=0d15c000-0000-4000-8000-000000000001 did not appear";
    ensure!(outcome.contains(printed), "{printed}");
    Ok(())
}

/// Two machines on one network: one crashes, and its crash kernel saves to the other by
/// ssh.
fn crash_debian_saves_by_ssh() -> Result<()> {
    let guest = Guest::new()?;
    let dir = tempfile::tempdir()?;
    for name in ["key", "host"] {
        let to = dir.path().join(name);
        guest
            .debian
            .program("usr/bin/ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg_path("", &to)
            .output()?;
    }
    let read = |name: &str| fs::read(dir.path().join(name));
    let known = [b"10.9.0.1 ", read("host.pub")?.as_slice()].concat();
    let (key, host) = (read("key")?, read("host")?);
    let wire = |own: &str, other: &str| {
        let path = |name: &str| dir.path().join(name).display().to_string();
        let net = format!(
            "dgram,id=wire,local.type=unix,local.path={},remote.type=unix,remote.path={}",
            path(own),
            path(other)
        );
        let mac = if own == "a" { 1 } else { 2 };
        let nic = format!("virtio-net-pci,netdev=wire,romfile=,mac=52:54:00:00:00:0{mac}");
        ["-netdev".to_owned(), net, "-device".to_owned(), nic]
    };
    let server = guest
        .machine(
            SSH_SERVER,
            &[
                ("root/.ssh/authorized_keys", &read("key.pub")?),
                ("etc/ssh/ssh_host_ed25519_key", &host),
            ],
        )?
        .append("net.ifnames=0")
        .memory_mib(1024)
        .args(wire("a", "b"));
    let client = guest
        .machine(
            BY_SSH,
            &[
                ("etc/mbtool/crash-key", &key),
                ("etc/mbtool/crash-known-hosts", &known),
            ],
        )?
        .append(&format!(
            "crashkernel={CRASHKERNEL} net.ifnames=0 ip=10.9.0.2:::255.255.255.0::eth0:none"
        ))
        .args(wire("b", "a"));
    let name = "crash_debian_saves_by_ssh";
    let (server, client) = thread::scope(|scope| {
        let server = scope.spawn(|| guest.run(&format!("{name}_server"), &server));
        let client = guest.run(name, &client);
        (server.join(), client)
    });
    is(&client?, "unit", "active")?;
    let Ok(server) = server else {
        bail!("the server's thread panicked")
    };
    let server = server?;
    is(&server, "sum", "ok")?;
    is(
        &server,
        "panic",
        "Kernel panic - not syncing: sysrq triggered crash",
    )
}
