//! `--console`: resolves the consoles of the handoff on this machine.

mod kernel;
mod parse;
mod pci;

pub use parse::{ConsoleSpec, PciSpec, console as parse};

use crate::host::Host;
use crate::host::serial::{PortAt, Spcr};
use crate::plan::report::console_text;
use crate::ramlog;
use anyhow::{Context, anyhow, bail, ensure};
use handoff::abi::MAX_SINKS;
use handoff::spec::Console;

/// Resolved consoles, and notes for the user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Consoles in the order given, without duplicates.
    pub consoles: Vec<Console>,
    /// Notes for stderr.
    pub notes: Vec<String>,
}

/// Resolves `args` on `host`; `image` is the command line of the image.
///
/// `auto` uses the first of: firmware's console (ACPI SPCR), the running
/// kernel's `console=`, `earlycon=` or `earlyprintk=`, Xen's `com1=` or `com2=`
/// on the image's command line. The UART keeps its settings.
///
/// # Errors
///
/// For `none` with others, more consoles than the handoff supports, a PCI
/// function without a UART, or a RAM log without reserved memory.
pub fn resolve(args: &[ConsoleSpec], host: &Host, image: &str) -> anyhow::Result<Resolved> {
    let mut resolved = Resolved::default();
    if args.contains(&ConsoleSpec::None) {
        ensure!(
            args.len() == 1,
            "--console none does not go with other consoles"
        );
        return Ok(resolved);
    }
    for arg in args {
        let console = match arg {
            ConsoleSpec::Fixed(console) => Some(*console),
            ConsoleSpec::Auto => auto(host, image, &mut resolved.notes),
            ConsoleSpec::Pci(arg) => {
                let (console, warning) =
                    pci::resolve(arg, &host.serial.pci).map_err(|err| anyhow!(err))?;
                resolved.notes.push(format!(
                    "handoff console: {} (PCI function {})",
                    console_text(&console),
                    arg.address
                ));
                resolved.notes.extend(warning);
                Some(console)
            }
            ConsoleSpec::RamLog => Some(ram_log(host, &mut resolved.notes)?),
            ConsoleSpec::None => None,
        };
        let new = console.filter(|console| !resolved.consoles.contains(console));
        resolved.consoles.extend(new);
    }
    if resolved.consoles.len() > MAX_SINKS {
        bail!(
            "--console: {} consoles, the handoff prints to at most {MAX_SINKS}",
            resolved.consoles.len()
        );
    }
    Ok(resolved)
}

fn auto(host: &Host, image: &str, notes: &mut Vec<String>) -> Option<Console> {
    let found = from_firmware(host.serial.spcr.as_ref(), notes)
        .map(|console| (console, "firmware: ACPI table SPCR".to_owned()))
        .or_else(|| {
            let cards = &host.serial.pci;
            let (console, word) = kernel::from_kernel(&host.cmdline, cards)?;
            Some((console, format!("the running kernel's `{word}`")))
        })
        .or_else(|| {
            let (console, word) = kernel::from_image(image)?;
            Some((console, format!("the image's `{word}`")))
        });
    notes.push(match &found {
        Some((console, source)) => {
            format!("handoff console: {} (from {source})", console_text(console))
        }
        None => "handoff console: none found (no ACPI table SPCR, no console=ttyS or earlyprintk= \
                 on the running kernel's command line, no com1= on the image's): a failure between \
                 the two kernels will be silent; give --console com1 to see it"
            .into(),
    });
    found.map(|(console, _)| console)
}

fn from_firmware(spcr: Option<&Spcr>, notes: &mut Vec<String>) -> Option<Console> {
    match spcr?.port() {
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
        Err(why) => {
            notes.push(format!(
                "firmware's console (ACPI table SPCR) cannot be used: {why}"
            ));
            None
        }
    }
}

fn ram_log(host: &Host, notes: &mut Vec<String>) -> anyhow::Result<Console> {
    let kept = ramlog::reserved(&host.cmdline);
    let console = kept.iter().find_map(|range| ramlog::console_in(*range));
    let console = console.with_context(|| {
        format!(
            "--console ramlog: the running kernel reserves no memory for it; boot it with {} on its \
             command line (every kernel that is to read the log, too), or give an address: \
             ramlog:ADDR",
            ramlog::EXAMPLE
        )
    })?;
    notes.push(format!(
        "handoff console: {} (memory reserved by the running kernel's memmap=)",
        console_text(&console)
    ));
    Ok(console)
}

#[cfg(test)]
mod tests;
