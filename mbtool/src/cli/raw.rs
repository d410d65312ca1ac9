//! Command-line definition.

use super::boot::BootArgs;
use super::crash::CrashVerb;
use super::values;
use crate::cmd::decode::{RamLogArg, SymbolArg};
use crate::cmd::dtb;
use crate::sys::quantity;
use clap::{Args, Parser, Subcommand};
use handoff::addr::PhysRange;
use std::path::PathBuf;

/// Loads a Multiboot2 kernel, Xen in particular, or Linux, for kexec by the
/// running kernel.
#[derive(Debug, Parser)]
#[command(name = "mbtool", version, max_term_width = 100)]
pub struct Cli {
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Load an image, to be started by `mbtool exec`
    #[command(
        after_help = "Example:\n  mbtool load xen.gz --cmdline 'com1=115200,8n1 console=com1' \
        \\\n      --module \"/boot/vmlinuz-$(uname -r) console=hvc0 root=/dev/sda1\" \
        \\\n      --initrd /boot/initrd.img-$(uname -r)\n  \
        mbtool load /boot/vmlinuz-$(uname -r) --initrd /boot/initrd.img-$(uname -r) --reuse-cmdline\n  \
        mbtool exec"
    )]
    Load(LoadArgs),
    /// Show the plan of a load, without accessing the kernel
    #[command(
        after_help = "Example:\n  mbtool plan --json --memory-map machine.json xen.gz \
        --module vmlinuz > plan.json"
    )]
    Plan(PlanArgs),
    /// Jump to the loaded image
    #[command(
        after_help = "Example:\n  mbtool exec        orderly, through the init system\n  \
        mbtool exec -f     at once: sync and jump"
    )]
    Exec {
        /// Skip the shutdown: sync and jump
        #[arg(short, long)]
        force: bool,
        /// In a Xen dom0, called by the init system at the end of its shutdown:
        /// end remaining processes, then as with --force
        #[arg(long, hide = true)]
        last: bool,
    },
    /// Unload the loaded image
    #[command(after_help = "Example:\n  mbtool unload")]
    Unload {
        /// Unload the crash image
        #[arg(short, long)]
        panic: bool,
        /// In a Xen dom0: also an image that mbtool did not load, or reports as
        /// damaged. This can panic the host
        #[arg(long)]
        force: bool,
    },
    /// Show loaded images, and facts about the machine
    #[command(
        after_help = "Example:\n  mbtool status --json > machine.json   input of plan \
        --memory-map"
    )]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what CPUs and kernel are for a kexec: the level that it enters, and what is known to fail
    #[command(
        after_help = "Example:\n  mbtool probe\n  mbtool probe --json --memory-map machine.json     another machine, from its `status --json`\n  \
        mbtool probe --payload probe.img && mbtool load probe.img && mbtool exec"
    )]
    Probe {
        /// Print JSON (docs/probe-json.md)
        #[arg(long)]
        json: bool,
        /// Another machine, from its `status --json`
        #[arg(long, value_name = "FILE", conflicts_with = "payload")]
        memory_map: Option<PathBuf>,
        /// Write an image that prints, on a PL011, at which level it is started and what hyp-stub calls
        /// answer there, and then resets the machine (arm64 only)
        #[arg(long, value_name = "FILE", conflicts_with = "json")]
        payload: Option<PathBuf>,
    },
    /// Check whether this machine is ready for loads and crash dumps, and suggest fixes
    #[command(
        after_help = "IMAGE and its options are those of `load`: it is checked as crash image, and \
        nothing is loaded.\nExit code 1: there is a problem.\n\nExample:\n  mbtool doctor\n  mbtool \
        doctor xen.gz --module \"/boot/vmlinuz-$(uname -r) console=hvc0\" \
        --initrd /boot/initrd.img-$(uname -r)\n  mbtool doctor \
        --json | jq '.checks[] | select(.state == \"problem\")'"
    )]
    Doctor(DoctorArgs),
    /// Describe an image: headers, segments, requirements of a loader
    #[command(after_help = "Example:\n  mbtool inspect xen.gz")]
    Inspect {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// The file, or - for standard input
        image: PathBuf,
    },
    /// Show a device tree as text: that of a file, or the one that an image gets; or how two differ
    #[command(
        after_help = "Example:\n  mbtool dtb\n  mbtool dtb /sys/firmware/fdt --diff new.dtb     prints nothing if they are the same\n  \
        mbtool dtb vmlinux --initrd initrd.img --cmdline console=ttyS0 --diff"
    )]
    Dtb(Box<DtbArgs>),
    /// How far the boots in a serial log came, and why they failed: dumps, panics, known messages
    #[command(
        after_help = "Example:\n  mbtool decode --symbols /usr/lib/debug/boot/xen-syms-4.20-amd64 \
        serial.log\n  mbtool decode --ram-log auto\n  mbtool decode --follow /dev/ttyUSB0     set its speed with stty first"
    )]
    Decode(DecodeArgs),
    /// Crash dumps: size of the reservation, setup, load, save
    #[command(
        after_help = "Example:\n  mbtool crash size /boot/vmlinuz-$(uname -r) --initrd /boot/crash.img\n  \
        mbtool crash load      the image of /etc/mbtool/crash.toml"
    )]
    Crash {
        /// The verb.
        #[command(subcommand)]
        verb: CrashVerb,
    },
}

/// `decode`
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// The log, or - for standard input; also compressed, also QEMU's (-d int,cpu_reset)
    #[arg(default_value = "-")]
    pub log: PathBuf,
    /// The loaded plan: output of `plan --json`, or the directory of --backend dir; by default from
    /// the handoff's lines in the log
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// An ELF file with symbols (xen-syms, vmlinux), and the memory address of its first byte if it
    /// is not known from the plan or the log. Without it, and beside it, files with the build ID
    /// that a kernel printed are searched
    #[arg(long, value_name = "FILE[@ADDR]", value_parser = values::symbols)]
    pub symbols: Vec<SymbolArg>,
    /// Print JSON (docs/decode-json.md); with --follow one line per dump
    #[arg(long)]
    pub json: bool,
    /// Wait for more data, and print each stage of a boot and each dump when it is complete: a
    /// growing file, a serial device, a pty, a pipe
    #[arg(long)]
    pub follow: bool,
    /// Read the log that a handoff of this machine has left in memory (load --console
    /// ramlog)
    #[arg(long, value_name = "ADDR|auto", value_parser = values::ram_log, conflicts_with_all = ["follow", "log"])]
    pub ram_log: Option<RamLogArg>,
}

/// `load`
#[derive(Debug, Args)]
pub struct LoadArgs {
    /// The image with its boot options.
    #[command(flatten)]
    pub boot: BootArgs,
    /// The image, or - for standard input; compressed or not
    pub image: PathBuf,
    /// Do everything except the load
    #[arg(long)]
    pub dry_run: bool,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The image with its boot options.
    #[command(flatten)]
    pub boot: BootArgs,
    /// The image, or - for standard input; compressed or not
    pub image: PathBuf,
    /// Plan for another machine, from its `status --json`, `plan --json` or
    /// /proc/iomem
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

/// `dtb`
#[derive(Debug, Args)]
#[command(mut_arg("backend", |arg| arg.hide(true)))]
#[command(mut_arg("force", |arg| arg.hide(true)))]
pub struct DtbArgs {
    /// The image's boot options.
    #[command(flatten)]
    pub boot: BootArgs,
    /// A blob (.dtb), by default the running kernel's; or an image, whose options are those of
    /// `load`; compressed or not, or - for standard input
    #[arg(default_value = dtb::RUNNING)]
    pub file: PathBuf,
    /// Print what OTHER has in place of what FILE has; without OTHER, what an image gets in place of
    /// what it starts from (the running kernel's tree, or --dtb)
    #[arg(long, value_name = "OTHER", num_args = 0..=1)]
    pub diff: Option<Option<PathBuf>>,
    /// Plan for another machine, from its `status --json` or `plan --json`
    #[arg(long, value_name = "FILE")]
    pub memory_map: Option<PathBuf>,
    /// Plan for this crash region
    #[arg(long, value_name = "START-END", value_parser = quantity::range)]
    pub crash_region: Option<PhysRange>,
}

/// `doctor`
#[derive(Debug, Args)]
#[command(mut_arg("panic", |arg| arg.hide(true)))]
#[command(mut_arg("backend", |arg| arg.hide(true)))]
#[command(mut_arg("force", |arg| arg.hide(true)))]
pub struct DoctorArgs {
    /// The image with its boot options.
    #[command(flatten)]
    pub boot: BootArgs,
    /// The image, or - for standard input; compressed or not
    pub image: Option<PathBuf>,
    /// Print JSON (docs/doctor.md)
    #[arg(long)]
    pub json: bool,
}
