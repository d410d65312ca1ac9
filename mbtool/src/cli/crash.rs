//! `mbtool crash`: setup of crash dumps.

use super::boot::BootArgs;
use crate::config::{self, DeviceSpec, Target};
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// The verbs of `crash`.
#[derive(Debug, Subcommand)]
pub enum CrashVerb {
    /// Print the crashkernel= parameter for an image, or for that of
    /// /etc/mbtool/crash.toml, and how to set it in the boot loader of this machine
    #[command(
        after_help = "The first line of the output is the parameter for the command line, of Xen in \
        a dom0, of Linux elsewhere. It is computed from what `load -p` would load, and does not \
        depend on what is reserved now. Nothing is changed.\n\nExample:\n  mbtool crash size     \
        of what `mbtool crash load` loads; its initrd is there after the first one\n  mbtool crash size \
        xen.gz --module /boot/vmlinuz-$(uname -r) --initrd /boot/crash.img\n  mbtool crash size \
        /boot/vmlinuz-$(uname -r) --initrd /boot/crash.img | head -n 1"
    )]
    Size(Box<SizeArgs>),
    /// Load the crash image of the configuration, like `load -p`
    #[command(after_help = "The configuration (TOML), only image is required:\n\n  \
        [load]\n  \
        image   = \"/boot/xen-4.20-amd64.gz\"         Xen, or a Linux kernel\n  \
        cmdline = \"console=com1 com1=115200,8n1\"    of the image\n  \
        kernel  = \"/boot/vmlinuz-{release}\"         Xen: dom0's kernel\n  \
        kernel-cmdline = \"console=hvc0\"             Xen: dom0's command line\n  \
        initrd  = \"/var/lib/mbtool/crash-{release}.img\"\n  \
        options = [\"--console\", \"com1\"]             more options of `mbtool load`\n\n\
        In image, kernel and initrd, {release} is the output of `uname -r`. initrd may be a list: the \
        files are joined, microcode first, and `crash load` makes the last one. The command line of dom0, \
        or of a Linux image, gets mbtool.crash, which makes the initrd save the dump, and panic=10 \
        where it has no panic=.\n\nExample:\n  mbtool crash load --dry-run\n  mbtool crash load")]
    Load(CrashLoadArgs),
    /// In the crash kernel: save the dump, and reboot the machine
    #[command(
        after_help = "The configuration (TOML); all keys are optional, with these \
        defaults:\n\n  \
        [save]\n  \
        target    = \"/var/crash\"           or \"ssh://user@host[:port]/directory\"\n  \
        device    = \"UUID=...\"             file system of target, a path from its root; LABEL=,\n                                    \
        PARTUUID=, PARTLABEL=, /dev/...; without it, what is mounted\n  \
        collector = \"makedumpfile -l -d 31\"   \"copy\": an unchanged copy\n  \
        identity  = \"/etc/mbtool/crash-key\"   private key for ssh\n  \
        known-hosts = \"/etc/mbtool/crash-known-hosts\"\n  \
        watchdog  = 60                     seconds without progress until a reset; 0: none\n  \
        then      = \"reboot\"               reboot, poweroff, shell\n\n\
        In target, a directory crash-YYYYMMDD-HHMMSS (UTC) gets:\n\n  \
        vmcore         the dump (vmcore.flat: for `makedumpfile -R`; vmcore.incomplete: no space)\n  \
        vmcore.sha256  for `sha256sum -c`\n  \
        dmesg.txt      the log of the kernel that crashed, by makedumpfile\n  \
        crash.json     what saved it, sizes, seconds, what could not be read, what failed\n\n\
        A collector that is missing, fails, or makes no progress for half of the watchdog's \
        time (at most 60 s) is replaced by a plain copy. Where nothing can be saved, the end of \
        the log is shown. In the end the machine reboots, whatever failed; Ctrl-C does not stop \
        it. Outside of a crash kernel (no /proc/vmcore, no mbtool.crash in /proc/cmdline) the \
        machine is left running.\n\nExample:\n  \
        mbtool crash save\n  \
        mbtool crash save --no-reboot --config /tmp/other.toml"
    )]
    Save(CrashSaveArgs),
    /// Set up this machine: configuration, systemd unit, and files for an initrd that saves the
    /// dump (Debian's initramfs-tools)
    #[command(after_help = "Writes these files unless they exist:\n\n  \
        /etc/mbtool/crash.toml                     the configuration, filled in for this machine\n  \
        /etc/mbtool/initramfs/                     what mkinitramfs makes the initrd from\n  \
        /etc/systemd/system/mbtool-crash.service   loads the crash kernel at each boot; enabled\n\n\
        The system's own initrds are not changed. Edited files are not overwritten. \
        The initrd is made by `crash load` when there is none, or when what it is made of has \
        changed: /var/lib/mbtool/crash-RELEASE.img.\n\n\
        In the crash kernel the dump goes to the target, by `mbtool crash save`, before any file \
        system is mounted, and the machine boots. Where nothing was saved within 300 s (a passphrase \
        is asked for, a disk does not come), it boots, too. An ssh target needs an address: by DHCP, \
        or ip= in load.kernel-cmdline.\n\n\
        Example:\n  mbtool crash install\n  mbtool crash install --target /srv/dumps\n  \
        mbtool crash install --target ssh://kdump@dumps.example/srv/crash")]
    Install(CrashInstallArgs),
    /// Remove the files of `crash install`, except edited ones
    #[command(after_help = "Example:\n  mbtool crash uninstall")]
    Uninstall {
        /// Root of the system
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
    },
}

/// `crash size`
#[derive(Debug, Args)]
#[command(mut_arg("panic", |arg| arg.hide(true)))]
#[command(mut_arg("backend", |arg| arg.hide(true)))]
#[command(mut_arg("force", |arg| arg.hide(true)))]
pub struct SizeArgs {
    /// The image with its boot options; --panic is implied.
    #[command(flatten)]
    pub boot: BootArgs,
    /// The image, or - for standard input; compressed or not
    pub image: Option<PathBuf>,
    /// Compute for another machine, from its `status --json`, `plan --json` or
    /// /proc/iomem
    #[arg(long, value_name = "FILE")]
    pub memory_map: Option<PathBuf>,
    /// Print JSON (docs/crash-size-json.md)
    #[arg(long)]
    pub json: bool,
}

/// `crash save`
#[derive(Debug, Args)]
pub struct CrashSaveArgs {
    /// Path of the configuration
    #[arg(long, value_name = "FILE", default_value = config::PATH)]
    pub config: PathBuf,
    /// Path of the dump
    #[arg(long, value_name = "FILE", default_value = "/proc/vmcore")]
    pub vmcore: PathBuf,
    /// Return after the save instead of ending the machine
    #[arg(long)]
    pub no_reboot: bool,
    /// Do not verify a copy by reading it back
    #[arg(long)]
    pub no_verify: bool,
}

/// `crash load`
#[derive(Debug, Args)]
pub struct CrashLoadArgs {
    /// Path of the configuration
    #[arg(long, value_name = "FILE", default_value = config::PATH)]
    pub config: PathBuf,
    /// Do everything except the load
    #[arg(long)]
    pub dry_run: bool,
}

/// `crash install`
#[derive(Debug, Args)]
pub struct CrashInstallArgs {
    /// Root of the system to set up, such as the mount point of another system
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// The crash kernel: Xen, or Linux [default: the newest /boot/xen-*.gz, else this Linux]
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Its command line [default: a console like that of this machine]
    #[arg(long, value_name = "STRING", allow_hyphen_values = true)]
    pub cmdline: Option<String>,
    /// Target of dumps: DIR, or `ssh://user@host[:port]/dir` [default:
    /// /var/crash]
    #[arg(long, value_name = "TARGET", value_parser = target)]
    pub target: Option<Target>,
    /// File system of DIR, which is then relative to its root: UUID=..., LABEL=..., /dev/...
    /// [default: detected]
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub device: Option<DeviceSpec>,
    /// Path of mbtool for the unit [default: the running program]
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
}

fn target(text: &str) -> Result<Target, String> {
    Target::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn device(text: &str) -> Result<DeviceSpec, String> {
    DeviceSpec::try_from(text.to_owned()).map_err(|error| error.to_string())
}
