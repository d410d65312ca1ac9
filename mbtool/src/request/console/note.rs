//! Messages about consoles: notes and errors.

use crate::host::serial::PciAddress;
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
    /// A parameter of the image.
    #[error("the image's `{0}`")]
    Image(String),
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
        "handoff console: none found (no ACPI table SPCR, no console=ttyS or earlyprintk= on the \
         running kernel's command line, no com1= on the image's): a failure between the two kernels \
         will be silent{}",
        tail(self.fix())
    )]
    NoneFound,
    /// Firmware's console is not a UART that the handoff drives.
    #[error("firmware's console (ACPI table SPCR) cannot be used: {0}")]
    Spcr(String),
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
            Self::PciSilent { address, .. } => {
                let enable = format!("/sys/bus/pci/devices/{address}/enable");
                Some(format!("load its driver (8250_pci), or write 1 to {enable}").into())
            }
            Self::Found { .. } | Self::Spcr(_) | Self::Pci { .. } | Self::RamLog { .. } => None,
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
        /// Value found.
        why: String,
    },
    /// No memory for a log.
    #[error("--console ramlog: the running kernel reserves no memory for it{}", tail(self.fix()))]
    NoRamLog,
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
            Self::NoneWithOthers | Self::TooMany(_) | Self::Pci { .. } => None,
        }
    }
}
