//! `--console`: resolves the consoles of the handoff on this machine.

mod device_tree;
mod kernel;
mod note;
mod parse;
mod pci;
pub mod xen;

pub use note::{COM1, ConsoleError, DtUartProblem, Note, PciProblem, Source};
pub use parse::{ConsoleSpec, PciSpec, console as parse};

use crate::arch::Architecture;
use crate::host::Host;
use crate::host::serial::PortAt;
use crate::ramlog;
use handoff::abi::MAX_SINKS;
use handoff::spec::Console;
use xen_shim::cmdline::Cmdline;
use xen_shim::fix::Fix;

/// Resolved consoles, and notes for the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Consoles in the order given, without duplicates.
    pub consoles: Vec<Console>,
    /// Lines for stderr.
    pub notes: Vec<Note>,
}

/// Resolves `args` on `host`; `image` is the command line of the image.
///
/// `auto` uses the first of: firmware's console (ACPI SPCR), the running
/// kernel's `console=`, `earlycon=` or `earlyprintk=`, `com1=` or `com2=` of the
/// Xen below, and of the image's command line.
/// On a machine with a device tree it is the UART of `stdout-path`, or else firmware's console: SBI
/// on riscv64, that of the SPCR elsewhere. The UART keeps its settings.
///
/// # Errors
///
/// For a console that the machine cannot have, `none` with others, more consoles than the handoff supports, a PCI
/// function without a UART, or a RAM log without reserved memory.
pub fn resolve(args: &[ConsoleSpec], host: &Host, image: &str) -> Result<Resolved, ConsoleError> {
    let mut resolved = Resolved::default();
    if args.contains(&ConsoleSpec::None) {
        return match args.len() {
            1 => Ok(resolved),
            _ => Err(ConsoleError::NoneWithOthers),
        };
    }
    for arg in args {
        let console = match arg {
            ConsoleSpec::Fixed(console) => Some(there(*console, host)?),
            ConsoleSpec::Auto if host.arch.has_device_tree() => {
                device_tree::auto(host, &mut resolved.notes)
            }
            ConsoleSpec::Auto => auto(host, image, &mut resolved.notes),
            ConsoleSpec::Pci(arg) => {
                let (console, warning) = pci::resolve(arg, &host.serial.pci)?;
                let address = arg.address;
                resolved.notes.push(Note::Pci { console, address });
                resolved.notes.extend(warning);
                Some(there(console, host)?)
            }
            ConsoleSpec::RamLog => Some(ram_log(host, &mut resolved.notes)?),
            ConsoleSpec::None => None,
        };
        let new = console.filter(|console| !resolved.consoles.contains(console));
        resolved.consoles.extend(new);
    }
    if resolved.consoles.len() > MAX_SINKS {
        return Err(ConsoleError::TooMany(resolved.consoles.len()));
    }
    Ok(resolved)
}

/// Returns `console` if a machine like `host` can have it.
fn there(console: Console, host: &Host) -> Result<Console, ConsoleError> {
    let arch = host.arch;
    let can = match console {
        Console::Pio { .. } | Console::Debugcon { .. } => !arch.has_device_tree(),
        Console::Firmware => arch == Architecture::Riscv64,
        Console::Pl011 { .. } => matches!(arch, Architecture::Arm64 | Architecture::Arm),
        Console::Mmio { .. } | Console::RamLog { .. } => true,
    };
    match can {
        true => Ok(console),
        false => Err(ConsoleError::NotHere { console, arch }),
    }
}

fn auto(host: &Host, image: &str, notes: &mut Vec<Note>) -> Option<Console> {
    let cards = &host.serial.pci;
    let running = Cmdline::linux(&host.cmdline);
    let found = from_firmware(host, notes)
        .map(|console| (console, Source::Firmware))
        .or_else(|| {
            let (console, parameter) = kernel::from_kernel(&running, cards)?;
            Some((console, Source::Kernel(parameter)))
        })
        .or_else(|| {
            let port = xen::running_port(host)?;
            Some((port.console, Source::Xen(port.parameter)))
        })
        .or_else(|| {
            let port = xen::port(&Cmdline::xen(image), cards)?;
            Some((port.console, Source::Image(port.parameter)))
        });
    let Some((console, source_of)) = found else {
        notes.extend(kernel::unusable(&running).map(Note::DebugPort));
        notes.push(Note::NoneFound);
        return None;
    };
    notes.push(Note::Found { console, source_of });
    Some(console)
}

/// The console of the SPCR, if a machine like `host` can have it.
fn from_firmware(host: &Host, notes: &mut Vec<Note>) -> Option<Console> {
    let port = host.serial.spcr.as_ref()?.port();
    match port {
        Ok(PortAt::Io(port)) => Some(Console::Pio {
            port,
            divisor: None,
        }),
        Ok(PortAt::Memory {
            addr,
            stride,
            width,
        }) => Some(Console::Mmio {
            addr,
            stride,
            width,
            divisor: None,
        }),
        Ok(PortAt::Pl011(addr)) => {
            let console = Console::Pl011 { addr };
            if let Err(error) = there(console, host) {
                notes.push(Note::Spcr(error.statement()));
                return None;
            }
            Some(console)
        }
        Err(why) => {
            notes.push(Note::Spcr(why));
            None
        }
    }
}

fn ram_log(host: &Host, notes: &mut Vec<Note>) -> Result<Console, ConsoleError> {
    let kept = ramlog::reserved(&host.cmdline);
    let console = kept.iter().find_map(|range| ramlog::console_in(*range));
    let console = console.ok_or(ConsoleError::NoRamLog)?;
    notes.push(Note::RamLog { console });
    Ok(console)
}

#[cfg(test)]
mod tests;
