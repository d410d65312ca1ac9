//! `mbtool crash`: setting up crash dumps.

use super::raw::{Cli, CommonArgs, LoadArgs, Verb};
use super::request::ModuleArg;
use super::values::FileWithArgs;
use crate::config::{self, Device, Target};
use clap::{Args, CommandFactory, FromArgMatches, Subcommand};
use std::path::PathBuf;

/// The verbs of `crash`.
#[derive(Debug, Subcommand)]
pub enum CrashVerb {
    /// What crashkernel= must reserve for an image, or for the one that
    /// /etc/mbtool/crash.toml names, and how the boot loader of this machine is told
    #[command(
        after_help = "The first line of what is printed is the word for the command line, of Xen in \
        a dom0, of Linux elsewhere. It is computed from what `load -p` would load, and does not \
        depend on what is reserved now. Nothing is changed.\n\nExample:\n  mbtool crash size     \
        of what `mbtool crash load` loads; its initrd is there after the first one\n  mbtool crash size \
        xen.gz --module /boot/vmlinuz --initrd /boot/crash.img\n  mbtool crash size /boot/vmlinuz \
        --initrd /boot/crash.img | head -n 1"
    )]
    Size(Box<SizeArgs>),
    /// Load the crash image that the configuration names, as `load -p` does
    #[command(
        after_help = "The configuration (TOML), of which image is all that must be there:\n\n  \
        [load]\n  \
        image   = \"/boot/xen-4.20-amd64.gz\"         Xen, or a Linux kernel\n  \
        cmdline = \"console=com1 com1=115200,8n1\"    of the image\n  \
        kernel  = \"/boot/vmlinuz-{release}\"         Xen: dom0's kernel\n  \
        kernel-cmdline = \"console=hvc0\"             Xen: dom0's command line\n  \
        initrd  = \"/var/lib/mbtool/crash-{release}.img\"\n  \
        options = [\"--console\", \"com1\"]             more options of `mbtool load`\n\n\
        In image, kernel and initrd, {release} is what `uname -r` says. The command line of dom0, \
        or of a Linux image, gets mbtool.crash, which makes the initrd save the dump, and panic=10 \
        where it has no panic=.\n\nExample:\n  mbtool crash load --dry-run\n  mbtool crash load"
    )]
    Load(CrashLoadArgs),
    /// In the crash kernel: save the dump, and boot the machine again
    #[command(
        after_help = "The configuration (TOML); nothing must be there, these are the values that \
        go without saying:\n\n  \
        [save]\n  \
        target    = \"/var/crash\"           or \"ssh://user@host[:port]/directory\"\n  \
        device    = \"UUID=...\"             file system of target, a path from its root; LABEL=,\n                                    \
        PARTUUID=, PARTLABEL=, /dev/...; without it, what is mounted\n  \
        collector = \"makedumpfile -l -d 31\"   \"copy\": the dump as it is\n  \
        identity  = \"/etc/mbtool/crash-key\"   private key for ssh\n  \
        known-hosts = \"/etc/mbtool/crash-known-hosts\"\n  \
        watchdog  = 60                     seconds without progress until a reset; 0: none\n  \
        then      = \"reboot\"               reboot, poweroff, shell\n\n\
        In target, a directory crash-YYYYMMDD-HHMMSS (UTC) gets:\n\n  \
        vmcore         the dump (vmcore.flat: for `makedumpfile -R`; vmcore.incomplete: no room)\n  \
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
    /// Set this machine up: configuration, systemd unit, and what makes the crash kernel's initrd
    /// save the dump (Debian's initramfs-tools)
    #[command(after_help = "Writes, each only where it is not there yet:\n\n  \
        /etc/mbtool/crash.toml                     the configuration, filled in for this machine\n  \
        /etc/mbtool/initramfs/                     what mkinitramfs makes the initrd from\n  \
        /etc/systemd/system/mbtool-crash.service   loads the crash kernel at each boot; enabled\n\n\
        The system's own initrds stay as they are. A file that somebody changed is not overwritten. \
        The initrd is made by `crash load` when there is none, or when what it is made of has \
        changed: /var/lib/mbtool/crash-RELEASE.img.\n\n\
        In the crash kernel the dump goes to the target, by `mbtool crash save`, before any file \
        system is mounted, and the machine boots. Where nothing was saved within 300 s (a passphrase \
        is asked for, a disk does not come), it boots, too. An ssh target needs an address: by DHCP, \
        or ip= in load.kernel-cmdline.\n\n\
        Example:\n  mbtool crash install\n  mbtool crash install --target /srv/dumps\n  \
        mbtool crash install --target ssh://kdump@dumps.example/srv/crash")]
    Install(CrashInstallArgs),
    /// Remove what `crash install` wrote, but files that somebody changed
    #[command(after_help = "Example:\n  mbtool crash uninstall")]
    Uninstall {
        /// The system to take it from
        #[arg(long, value_name = "DIR", default_value = "/")]
        root: PathBuf,
    },
}

/// `crash size`
#[derive(Debug, Args)]
#[command(mut_arg("image", super::raw::no_image))]
#[command(mut_arg("panic", |arg| arg.hide(true)))]
#[command(mut_arg("backend", |arg| arg.hide(true)))]
pub struct SizeArgs {
    /// Options that load has too; --panic is meant.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Compute for this machine: `status --json`, `plan --json` or /proc/iomem of it
    #[arg(long, value_name = "FILE")]
    pub memory_map: Option<PathBuf>,
    /// Print JSON (docs/crash-size-json.md)
    #[arg(long)]
    pub json: bool,
}

/// `crash save`
#[derive(Debug, Args)]
pub struct CrashSaveArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = config::PATH)]
    pub config: PathBuf,
    /// The dump
    #[arg(long, value_name = "FILE", default_value = "/proc/vmcore")]
    pub vmcore: PathBuf,
    /// Return when it is saved, or not
    #[arg(long)]
    pub no_reboot: bool,
    /// Do not read a copy back to compare it
    #[arg(long)]
    pub no_verify: bool,
}

/// `crash load`
#[derive(Debug, Args)]
pub struct CrashLoadArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = config::PATH)]
    pub config: PathBuf,
    /// Do everything but the last step
    #[arg(long)]
    pub dry_run: bool,
}

/// `crash install`
#[derive(Debug, Args)]
pub struct CrashInstallArgs {
    /// The system to set up: another than the running one where it is mounted
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
    /// The crash kernel: Xen, or Linux [default: the newest /boot/xen-*.gz, else this Linux]
    #[arg(long, value_name = "FILE")]
    pub image: Option<PathBuf>,
    /// Its command line [default: a console as this machine has it]
    #[arg(long, value_name = "STRING", allow_hyphen_values = true)]
    pub cmdline: Option<String>,
    /// Where dumps go: DIR, or `ssh://user@host[:port]/dir` [default: /var/crash]
    #[arg(long, value_name = "TARGET", value_parser = target)]
    pub target: Option<Target>,
    /// The file system that DIR is on, from whose root DIR is then given: UUID=..., LABEL=...,
    /// /dev/... [default: found out]
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub device: Option<Device>,
    /// Where mbtool itself is, for the unit [default: the one that runs]
    #[arg(long, value_name = "FILE")]
    pub program: Option<PathBuf>,
}

fn target(text: &str) -> Result<Target, String> {
    Target::try_from(text.to_owned()).map_err(|error| error.to_string())
}

fn device(text: &str) -> Result<Device, String> {
    Device::try_from(text.to_owned()).map_err(|error| error.to_string())
}

/// What a configuration asks of `load`, as `load` takes it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The image.
    pub image: PathBuf,
    /// Its command line.
    pub cmdline: String,
    /// dom0's kernel and command line.
    pub kernel: Option<FileWithArgs>,
    /// The initrd.
    pub initrd: Option<PathBuf>,
    /// As typed, after `load`.
    pub options: Vec<String>,
    /// Nothing is loaded.
    pub dry_run: bool,
}

impl Asked {
    /// The arguments of `load -p`, and its modules.
    ///
    /// # Errors
    ///
    /// What is wrong with the options, in one sentence.
    pub fn parse(self) -> Result<(LoadArgs, Vec<ModuleArg>), String> {
        let words = ["mbtool", "load", "--panic"].map(Into::into);
        let options = self.options.iter().map(Into::into);
        let image = ["--".into(), self.image.into_os_string()];
        let words = words.into_iter().chain(options).chain(image);
        let matches = Cli::command()
            .try_get_matches_from(words)
            .map_err(|error| first_sentence(&error.to_string()))?;
        let cli = Cli::from_arg_matches(&matches).map_err(|error| error.to_string())?;
        let Verb::Load(mut args) = cli.verb else {
            return Err("these are no options of `mbtool load`".to_owned());
        };
        let common = &mut args.common;
        for (given, option, key) in [
            (common.cmdline.is_some(), "--cmdline", "load.cmdline"),
            (common.initrd.is_some(), "--initrd", "load.initrd"),
            (args.dry_run, "--dry-run", "`mbtool crash load --dry-run`"),
        ] {
            if given {
                return Err(format!("{option} does not belong here: use {key}"));
            }
        }
        let mut modules: Vec<ModuleArg> = self
            .kernel
            .iter()
            .map(|file| ModuleArg {
                file: file.clone(),
                unpack: true,
            })
            .collect();
        let more = super::modules(common, matches.subcommand().map(|(_, sub)| sub));
        modules.extend(more);
        modules.extend(self.initrd.iter().map(|path| ModuleArg {
            file: FileWithArgs {
                path: path.clone(),
                args: String::new(),
            },
            unpack: false,
        }));
        common.module.splice(..0, self.kernel);
        common.cmdline = (!self.cmdline.is_empty()).then_some(self.cmdline);
        common.initrd = self.initrd;
        args.dry_run = self.dry_run;
        Ok((args, modules))
    }
}

/// Clap's message without its heading and its advice.
fn first_sentence(text: &str) -> String {
    let text = text.trim_start_matches("error: ");
    let end = text.find("\n\n").unwrap_or(text.len());
    let words: Vec<&str> = text[..end].split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::raw::BackendArg;

    fn asked(options: &[&str]) -> Asked {
        Asked {
            image: "/boot/xen.gz".into(),
            cmdline: "console=com1".into(),
            kernel: Some(FileWithArgs {
                path: "/boot/my kernel".into(),
                args: "console=hvc0".into(),
            }),
            initrd: Some("/boot/initrd".into()),
            options: options.iter().map(|&word| word.to_owned()).collect(),
            dry_run: true,
        }
    }

    #[test]
    fn it_is_a_load_like_any_other() {
        let (args, modules) = asked(&["--verify", "sha256", "-m", "ucode x", "--backend=linux"])
            .parse()
            .unwrap();
        assert!(args.dry_run && args.common.panic);
        assert_eq!(args.common.backend, BackendArg::Linux);
        assert_eq!(args.common.cmdline.as_deref(), Some("console=com1"));
        assert_eq!(args.common.image, PathBuf::from("/boot/xen.gz"));
        let modules: Vec<_> = modules
            .iter()
            .map(|m| {
                (
                    m.file.path.to_str().unwrap(),
                    m.file.args.as_str(),
                    m.unpack,
                )
            })
            .collect();
        let expected = [
            ("/boot/my kernel", "console=hvc0", true),
            ("ucode", "x", true),
            ("/boot/initrd", "", false),
        ];
        assert_eq!(modules, expected);
        // what the request looks at beside the modules
        assert_eq!(args.common.module.len(), 2);
        assert!(args.common.initrd.is_some());
    }

    #[test]
    fn options_that_are_keys_are_refused() {
        for (options, says) in [
            (&["--cmdline", "x"][..], "use load.cmdline"),
            (&["--append=x"], "use load.cmdline"),
            (&["--initrd", "x"], "use load.initrd"),
            (&["--dry-run"], "crash load --dry-run"),
            (&["--colsole", "com1"], "unexpected argument '--colsole'"),
            (&["/boot/other"], "unexpected argument"),
            (&["--verify"], "--verify"),
            (&["--help"], ""),
        ] {
            let error = asked(options).parse().unwrap_err();
            assert!(error.contains(says), "{options:?}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
