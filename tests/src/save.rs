//! A system crashes, `mbtool crash save` in its crash kernel saves the dump to a disk, the machine
//! reboots, and tools for dumps read the saved file.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{self, BUSYBOX, LINUX_6_1};
use images::guest::{self, CRASH, STAGE1, Stage1};

use crate::dirs::target_dir;
use crate::guest_binary::{known_pages_bin, mbtool_bin};
use crate::machine::{EMULATED, EMULATED_DOM0, Firmware, Machine};
use crate::outcome::Outcome;

/// Four times what the slowest case takes on two free cores.
const DEADLINE: Duration = Duration::from_secs(600);

/// Size of the disk, most of it a hole on the host.
const DISK_BYTES: u64 = 2 << 30;

/// Commands of the first system when the disk has a dump. `panic` prints the last line of the old
/// kernel's log.
const LOOK: &str = r#"
say() { echo "MBTOOL-CRASH $*"; }
panic() { grep -m 1 -o 'Kernel panic - not syncing.*' "$1"; }
cd /mnt/var/crash/crash-*
say "files=$(ls | tr '\n' ' ')"
say "sum=$(sha256sum -c vmcore.sha256 2>&1 | tail -n 1)"
say "dmesg=$(panic dmesg.txt)"
say "bytes=$(stat -c %s vmcore) on-disk=$(($(stat -c %b vmcore) * 512))"
makedumpfile --dump-dmesg vmcore /tmp/log >/tmp/printed 2>&1 || cat /tmp/printed
say "makedumpfile=$(panic /tmp/log)"
vmcore-dmesg vmcore >/tmp/log 2>&1 || true
say "vmcore-dmesg=$(panic /tmp/log || tail -n 1 /tmp/log)"
HOME=/tmp TERM=linux crash --log vmcore >/tmp/log 2>&1 || true
say "crash=$(panic /tmp/log || tail -n 3 /tmp/log | tr '\n' ' ')"
cat crash.json
say END
"#;

/// Crash kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saver {
    /// Linux 6.1.
    Linux,
    /// Xen of this release, with Linux 6.1 as dom0.
    Xen(&'static str),
}

/// One crash.
#[derive(Clone, Copy, Debug)]
pub struct SaveScenario {
    /// The crash kernel.
    pub saver: Saver,
    /// `[save]` beside `target` and `device`.
    pub config: &'static str,
    /// Command that starts mbtool in the crash kernel.
    pub start: &'static str,
    /// True when the machine has a hardware watchdog.
    pub watchdog: bool,
    /// True when it reboots and examines the saved files; else the run ends with the reset.
    pub looks: bool,
}

impl SaveScenario {
    /// Runs it as `name`.
    pub fn run(&self, name: &str) -> Result<Outcome> {
        let disk = disk(name)?;
        let linux = LINUX_6_1.path()?;
        let toml = format!(
            "[save]\ntarget = \"/var/crash\"\ndevice = \"LABEL=DUMPS\"\n{}\n",
            self.config
        );
        let mut modules = assets::disk_modules()?;
        if self.watchdog {
            modules.extend(assets::watchdog_modules()?);
        }
        if self.saver != Saver::Linux {
            modules.extend(assets::xen_modules(&LINUX_6_1)?);
        }
        let mbtool = fs::read(mbtool_bin()?)?;
        let dump = format!("sh /modules/load\n{}\n", self.start);
        let (mut crash, _) = guest::crash_initrd(known_pages_bin()?, &dump)?;
        let hangs = "#!/bin/busybox sh\necho hanging\nexec sleep 100000\n";
        crash.extend(
            guest::addition(
                &[
                    ("bin/mbtool", &mbtool),
                    ("bin/hangs", hangs.as_bytes()),
                    ("etc/mbtool/crash.toml", toml.as_bytes()),
                ],
                &[],
                &modules,
            )?
            .finish()?,
        );
        let (memory_mib, region) = match self.saver {
            Saver::Linux => (768, "208M"),
            Saver::Xen(_) => (1536, "640M"),
        };
        let load = match self.saver {
            Saver::Linux => format!(
                "mbtool load -p --console com1 /vmlinuz --initrd /crash-initrd --cmdline \
                'console=ttyS0,115200 nr_cpus=1 irqpoll reset_devices {EMULATED} quiet panic=-1 mbtool.crash'"
            ),
            Saver::Xen(_) => format!(
                "mbtool load -p --console com1 /xen.gz --cmdline 'com1=115200,8n1 console=com1' \
                --module '/vmlinuz console=hvc0 quiet panic=-1 {EMULATED_DOM0} mbtool.crash' --initrd /crash-initrd"
            ),
        };
        let script = format!(
            "sh /modules/load\nmkdir /mnt\nmount -t ext4 /dev/vda /mnt\n\
             if [ -e /mnt/var/crash ]; then\n. /look\nelse\numount /mnt\n\
             mount -o remount,size=90% /tmp\n\
             {load}\n\
             echo c > /proc/sysrq-trigger\nfi\n"
        );
        let mut stage = Stage1::new(&script)?
            .file("bin/mbtool", mbtool_bin()?)?
            .file("vmlinuz", linux)?
            .bytes("look", LOOK.as_bytes())?
            .bytes("crash-initrd", &crash)?;
        if let Saver::Xen(version) = self.saver {
            stage = stage.file("xen.gz", assets::xen(version)?.path()?)?;
        }
        let tools: &[_] = if self.looks {
            &[&assets::MAKEDUMPFILE, &assets::VMCORE_DMESG, &assets::CRASH]
        } else {
            &[]
        };
        let initrd = stage
            .archive(guest::addition(&[], tools, &assets::disk_modules()?)?)
            .finish()?;
        let drive = format!("file={},format=raw,if=virtio", disk.display());
        let failed = format!("{STAGE1}FAIL");
        let returned = format!("{CRASH}END");
        let mut machine = Machine::stage1(Firmware::SeaBios, initrd)?
            .linux(&LINUX_6_1)?
            .append(&format!("crashkernel={region}"))
            .memory_mib(memory_mib)
            .args(["-drive", &drive])
            .failures(&[&failed]);
        if self.watchdog {
            machine = machine.args(["-device", "i6300esb", "-watchdog-action", "reset"]);
        }
        if self.looks {
            machine = machine.reboots();
        }
        machine.run(name, DEADLINE, &[&returned])
    }
}

/// An empty file system with the label DUMPS.
fn disk(name: &str) -> Result<PathBuf> {
    let dir = target_dir().join("e2e").join(name);
    fs::create_dir_all(&dir)?;
    let path = dir.join("disk");
    // files of an earlier run must not be used
    let file = fs::File::create(&path)?;
    file.set_len(DISK_BYTES)?;
    let made = Command::new(BUSYBOX.path()?)
        .args(["mke2fs", "-F", "-b", "4096", "-L", "DUMPS"])
        .arg(&path)
        .output()
        .context("cannot run busybox")?;
    ensure!(made.status.success(), "mke2fs: {made:?}");
    Ok(path)
}
