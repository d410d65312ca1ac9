//! The command line as typed: flags without meaning.

use super::boot::BootArgs;
use super::crash::CrashVerb;
use super::values;
use crate::cmd::decode::{RamLogArg, SymbolArg};
use crate::sys::quantity;
use clap::{Args, Parser, Subcommand};
use handoff::addr::PhysRange;
use std::path::PathBuf;

/// Loads a Multiboot2 kernel, Xen above all, or Linux, to be started by the
/// running kernel's kexec.
#[derive(Debug, Parser)]
#[command(name = "mbtool", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Load an image, to be started by `mbtool exec`
    #[command(
        after_help = "Example:\n  mbtool load xen.gz --cmdline 'com1=115200,8n1 console=com1' \
        \\\n      --module '/boot/vmlinuz console=hvc0 root=/dev/sda1' --initrd /boot/initrd.img\n  \
        mbtool load /boot/vmlinuz --initrd /boot/initrd.img --reuse-cmdline\n  mbtool exec"
    )]
    Load(LoadArgs),
    /// Show what load would do, without touching the kernel
    #[command(
        after_help = "Example:\n  mbtool plan --json --memory-map machine.json xen.gz \
        --module vmlinuz > plan.json"
    )]
    Plan(PlanArgs),
    /// Jump into the loaded image
    #[command(
        after_help = "Example:\n  mbtool exec        orderly, through the init system\n  \
        mbtool exec -f     at once: sync and jump"
    )]
    Exec {
        /// Do not shut down first: sync and jump
        #[arg(short, long)]
        force: bool,
        /// In a Xen dom0, called by the init system at the end of its shutdown:
        /// end what still runs, then as with --force
        #[arg(long, hide = true)]
        last: bool,
    },
    /// Forget the loaded image
    #[command(after_help = "Example:\n  mbtool unload")]
    Unload {
        /// The crash image
        #[arg(short, long)]
        panic: bool,
        /// In a Xen dom0: also an image that mbtool did not load, or that it
        /// calls damaged. That can panic the host
        #[arg(long)]
        force: bool,
    },
    /// What is loaded, and what machine this is
    #[command(
        after_help = "Example:\n  mbtool status --json > machine.json   input of plan \
        --memory-map"
    )]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Is this machine ready: what would stop a load or a crash dump, and what to do about each
    #[command(
        after_help = "IMAGE and its options are those of `load`: it is looked at as crash image, and \
        nothing is loaded.\nExit code 1: there is a problem.\n\nExample:\n  mbtool doctor\n  mbtool \
        doctor xen.gz --module '/boot/vmlinuz console=hvc0' --initrd /boot/initrd.img\n  mbtool doctor \
        --json | jq '.checks[] | select(.state == \"problem\")'"
    )]
    Doctor(DoctorArgs),
    /// Describe an image: headers, segments, what a loader must provide
    #[command(after_help = "Example:\n  mbtool inspect xen.gz")]
    Inspect {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The file, or - for standard input
        image: PathBuf,
    },
    /// Explain the exception dumps in a serial log: ours, and those of Linux
    #[command(
        after_help = "Example:\n  mbtool decode --symbols /usr/lib/debug/boot/xen-syms-4.20-amd64 \
        serial.log\n  mbtool decode --ram-log auto\n  mbtool decode --follow /dev/ttyUSB0     set its speed with stty first"
    )]
    Decode(DecodeArgs),
    /// Crash dumps: how much memory they need, and the image for them
    #[command(
        after_help = "Example:\n  mbtool crash size /boot/vmlinuz --initrd /boot/crash.img\n  mbtool crash load      what /etc/mbtool/crash.toml names"
    )]
    Crash {
        /// What to do.
        #[command(subcommand)]
        verb: CrashVerb,
    },
}

/// `decode`
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// The log, or - for standard input
    #[arg(default_value = "-")]
    pub log: PathBuf,
    /// What was loaded: output of `plan --json`, or the directory of --backend dir; without it, what
    /// the handoff's own lines tell
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// An ELF file with symbols (xen-syms, vmlinux), and the address of its first byte in memory if
    /// that does not follow from the plan or the log
    #[arg(long, value_name = "FILE[@ADDR]", value_parser = values::symbols)]
    pub symbols: Vec<SymbolArg>,
    /// Print JSON (docs/decode-json.md); with --follow one line for each dump
    #[arg(long)]
    pub json: bool,
    /// Wait for more, and print each dump when it is complete: a growing file, a serial device, a
    /// pty, a pipe
    #[arg(long)]
    pub follow: bool,
    /// Read the log that a handoff of this machine left in memory (load --console ramlog)
    #[arg(long, value_name = "ADDR|auto", value_parser = values::ram_log, conflicts_with_all = ["follow", "log"])]
    pub ram_log: Option<RamLogArg>,
}

/// `load`
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// The image, and how it is to be loaded.
    #[command(flatten)]
    pub boot: BootArgs,
    /// The image, or - for standard input; compressed or not
    pub image: PathBuf,
    /// Do everything but the last step
    #[arg(long)]
    pub dry_run: bool,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The image, and how it is to be loaded.
    #[command(flatten)]
    pub boot: BootArgs,
    /// The image, or - for standard input; compressed or not
    pub image: PathBuf,
    /// Plan for this machine: `status --json`, `plan --json` or /proc/iomem of it
    #[arg(long, value_name = "FILE")]
    pub memory_map: Option<PathBuf>,
    /// Plan for this crash region
    #[arg(long, value_name = "START-END", value_parser = quantity::range)]
    pub crash_region: Option<PhysRange>,
    /// Print JSON (docs/plan-json.md)
    #[arg(long, conflicts_with = "svg")]
    pub json: bool,
    /// Draw a picture of memory
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// `doctor`
#[derive(Debug, Args)]
#[command(mut_arg("panic", |arg| arg.hide(true)))]
#[command(mut_arg("backend", |arg| arg.hide(true)))]
pub struct DoctorArgs {
    /// The image, and how it is to be loaded.
    #[command(flatten)]
    pub boot: BootArgs,
    /// The image, or - for standard input; compressed or not
    pub image: Option<PathBuf>,
    /// Print JSON (docs/doctor.md)
    #[arg(long)]
    pub json: bool,
}
