//! Messages about consoles: notes and errors.

use crate::arch::Architecture;
use crate::host::serial::{Bar, PciAddress};
use crate::plan::report::console_text;
use crate::ramlog;
use handoff::abi::MAX_SINKS;
use handoff::spec::Console;
use xen_shim::fix::{Fix, Remedy, tail};

/// Remedy when no console was found.
pub const COM1: &str = "give --console com1 to see it";

/// Where a console is known from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Source {
    /// ACPI table SPCR.
    #[error("firmware: ACPI table SPCR")]
    Firmware,
    /// A parameter of the running kernel.
    #[error("the running kernel's `{0}`")]
    Kernel(String),
    /// A parameter of the Xen below.
    #[error("the running Xen's `{0}`")]
    Xen(String),
    /// A parameter of the image.
    #[error("the image's `{0}`")]
    Image(String),
    /// `stdout-path` of the device tree: the UART's path.
    #[error("stdout-path of the device tree: {0}")]
    TreeConsole(String),
    /// Firmware's own console.
    #[error("firmware's console, by SBI calls")]
    Sbi,
}

/// A line for stderr.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    /// `auto` has found one.
    #[error("handoff console: {} (from {source_of})", console_text(console))]
    Found {
        /// The console.
        console: Console,
        /// Where it is known from.
        source_of: Source,
    },
    /// `auto` has found none.
    #[error(
        "handoff console: none found that it can use (by ACPI table SPCR, by console=, earlycon= or earlyprintk= on the \
         running kernel's command line, by com1= or com2= on the running Xen's or the image's): a failure between the two kernels \
         will be silent{}",
        tail(self.fix())
    )]
    NoneFound,
    /// `auto` has found none on a machine with a device tree.
    #[error(
        "handoff console: none found that it can use (by stdout-path of the device tree, by ACPI table SPCR): a failure \
         between the two kernels will be silent{}",
        tail(self.fix())
    )]
    NoneInTree,
    /// A console that only the running kernel can use.
    #[error(
        "{0} of the running kernel's command line is a USB debug port, which the handoff cannot use"
    )]
    DebugPort(String),
    /// Firmware's console is not a UART that the handoff drives.
    #[error("firmware's console (ACPI table SPCR) cannot be used: {0}")]
    Spcr(String),
    /// The UART of `stdout-path` is none that the handoff drives.
    #[error("the device tree's console {name} cannot be used: {why}")]
    DtUart {
        /// Path of its node.
        name: String,
        /// Reason.
        why: DtUartProblem,
    },
    /// `stdout-path` is wrong.
    #[error("the device tree's console is unknown: {0}")]
    TreeConsole(String),
    /// A console of a PCI function.
    #[error("handoff console: {} (PCI function {address})", console_text(console))]
    Pci {
        /// The console.
        console: Console,
        /// The function.
        address: PciAddress,
    },
    /// A PCI function that does not decode its BAR.
    #[error(
        "pci:{address} does not answer at its BAR (command register {command:#06x}): nothing will be \
         printed there{}",
        tail(self.fix())
    )]
    PciSilent {
        /// The function.
        address: PciAddress,
        /// Its command register.
        command: u16,
    },
    /// A log in memory that the running kernel reserves.
    #[error(
        "handoff console: {} (memory reserved by the running kernel's memmap=)",
        console_text(console)
    )]
    RamLog {
        /// The console.
        console: Console,
    },
}

impl Fix for Note {
    fn fix(&self) -> Remedy {
        match self {
            Self::NoneFound => Some(COM1.into()),
            Self::NoneInTree => Some("give --console pl011:ADDR, or mmio:ADDR for an 8250".into()),
            Self::PciSilent { address, .. } => {
                let enable = format!("/sys/bus/pci/devices/{address}/enable");
                Some(format!("load its driver (8250_pci), or write 1 to {enable}").into())
            }
            Self::Found { .. }
            | Self::DebugPort(_)
            | Self::Spcr(_)
            | Self::DtUart { .. }
            | Self::TreeConsole(_)
            | Self::Pci { .. }
            | Self::RamLog { .. } => None,
        }
    }
}

/// Consoles that cannot be used together, or at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsoleError {
    /// `none` beside others.
    #[error("--console none cannot be combined with other consoles")]
    NoneWithOthers,
    /// More than the handoff takes.
    #[error("--console: {0} consoles, the handoff prints to at most {MAX_SINKS}")]
    TooMany(usize),
    /// A PCI function without such a UART.
    #[error("pci:{address}: {why}")]
    Pci {
        /// The function.
        address: PciAddress,
        /// Reason.
        why: PciProblem,
    },
    /// A console of other machines.
    #[error("--console {}: there is no such console on {arch}{}", console_text(console), tail(self.fix()))]
    NotHere {
        /// The console.
        console: Console,
        /// The machine.
        arch: Architecture,
    },
    /// No memory for a log.
    #[error("--console ramlog: the running kernel reserves no memory for it{}", tail(self.fix()))]
    NoRamLog,
}

/// Why the UART of a device tree is no console of the handoff.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtUartProblem {
    /// Other registers than those of a UART that the handoff drives on this machine.
    #[error("it is a {0}, which the handoff does not drive")]
    Model(String),
    /// It is switched off.
    #[error("its status is \"disabled\"")]
    Disabled,
    /// Big-endian registers.
    #[error("its registers are big endian")]
    BigEndian,
    /// Registers that cannot be accessed so.
    #[error("its registers ({width} bytes wide, 1 << {shift} bytes apart) cannot be accessed so")]
    Layout {
        /// `reg-shift`.
        shift: u32,
        /// `reg-io-width`, in bytes.
        width: u32,
    },
}

/// Why a PCI function is no console.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PciProblem {
    /// No serial controller at this address.
    #[error(
        "no serial controller (PCI class 0x0700) there; this machine has: {}",
        listed(there, ToString::to_string, "none")
    )]
    NoFunction {
        /// Addresses of the machine's serial controllers.
        there: Vec<PciAddress>,
    },
    /// No BAR is large enough.
    #[error(
        "no BAR has a UART of stride {stride} at offset {offset:#x}; it has: {}",
        listed(bars, bar_text, "none assigned")
    )]
    NoBar {
        /// Distance of the registers in bytes.
        stride: u8,
        /// Offset of the first register.
        offset: u64,
        /// All BARs of the function.
        bars: Vec<Bar>,
    },
    /// The address exceeds 64 bits.
    #[error("{} wraps", bar_text(.0))]
    Wraps(Bar),
    /// A stride or width for I/O ports.
    #[error("{} is I/O ports, which have no stride or width{}", bar_text(.0), tail(self.fix()))]
    Ports(Bar),
    /// The ports exceed 16 bits.
    #[error("{} is too high", bar_text(.0))]
    TooHigh(Bar),
}

impl Fix for PciProblem {
    fn fix(&self) -> Remedy {
        match self {
            Self::Ports(_) => Some("choose a memory BAR with bar=N".into()),
            Self::NoFunction { .. } | Self::NoBar { .. } | Self::Wraps(_) | Self::TooHigh(_) => {
                None
            }
        }
    }
}

fn listed<T>(items: &[T], text: fn(&T) -> String, none: &str) -> String {
    match items {
        [] => none.to_owned(),
        _ => items.iter().map(text).collect::<Vec<_>>().join(", "),
    }
}

fn bar_text(bar: &Bar) -> String {
    let kind = if bar.io { "I/O ports" } else { "memory" };
    format!(
        "bar={} {kind} {:#x} ({:#x} bytes)",
        bar.index, bar.start, bar.len
    )
}

impl Fix for ConsoleError {
    fn fix(&self) -> Remedy {
        match self {
            Self::NoRamLog => Some(
                format!(
                    "boot it with {} on its command line (every kernel that is to read the log, \
                     too), or give an address: ramlog:ADDR",
                    ramlog::EXAMPLE
                )
                .into(),
            ),
            Self::NotHere { arch, .. } if arch.has_device_tree() => {
                Some("give auto, mmio:ADDR or sbi".into())
            }
            Self::NotHere { .. } => Some("give auto, com1 or another one of this machine".into()),
            Self::Pci { why, .. } => why.fix(),
            Self::NoneWithOthers | Self::TooMany(_) => None,
        }
    }
}
