//! The UART of a PCI function.

use super::note::{ConsoleError, Note, PciProblem};
use super::parse::PciSpec;
use crate::abi::pci::PciCommand;
use crate::host::serial::{Bar, PciAddress, PciSerial};
use handoff::spec::Console;

/// Size of a UART's registers in bytes.
const REGISTERS: u64 = 8;

/// Returns the first usable BAR of `address`, with byte-wide registers.
pub(super) fn first(cards: &[PciSerial], address: PciAddress) -> Option<Console> {
    let arg = PciSpec {
        address,
        bar: None,
        offset: 0,
        stride: 1,
        width: 8,
        divisor: None,
    };
    resolve(&arg, cards).ok().map(|(console, _)| console)
}

/// Returns the console for `arg`, and a warning if needed.
///
/// # Errors
///
/// When there is no such function, BAR or UART in the BAR; names the existing
/// ones.
pub(super) fn resolve(
    arg: &PciSpec,
    cards: &[PciSerial],
) -> Result<(Console, Option<Note>), ConsoleError> {
    let address = arg.address;
    let refused = |why| ConsoleError::Pci { address, why };
    let Some(card) = cards.iter().find(|card| card.address == address) else {
        let there = cards.iter().map(|card| card.address).collect();
        return Err(refused(PciProblem::NoFunction { there }));
    };
    let fits = |bar: &&Bar| {
        let stride = if bar.io { 1 } else { u64::from(arg.stride) };
        let needed = arg.offset.checked_add(REGISTERS * stride);
        needed.is_some_and(|needed| needed <= bar.len)
    };
    let wanted = |bar: &&Bar| arg.bar.is_none_or(|index| index == bar.index);
    let Some(bar) = card.bars.iter().filter(wanted).find(fits) else {
        return Err(refused(PciProblem::NoBar {
            stride: arg.stride,
            offset: arg.offset,
            bars: card.bars.clone(),
        }));
    };
    let start = bar.start.checked_add(arg.offset);
    let start = start.ok_or_else(|| refused(PciProblem::Wraps(*bar)))?;
    let console = if bar.io {
        if (arg.stride, arg.width) != (1, 8) {
            return Err(refused(PciProblem::Ports(*bar)));
        }
        let port = u16::try_from(start)
            .ok()
            .filter(|port| *port <= u16::MAX - 7);
        Console::Pio {
            port: port.ok_or_else(|| refused(PciProblem::TooHigh(*bar)))?,
            divisor: arg.divisor,
        }
    } else {
        Console::Mmio {
            addr: start,
            stride: arg.stride,
            width: arg.width,
            divisor: arg.divisor,
        }
    };
    let decodes = if bar.io {
        PciCommand::IO
    } else {
        PciCommand::MEMORY
    };
    let silent = card
        .command
        .filter(|command| !PciCommand::from_bits_retain(*command).contains(decodes));
    let warning = silent.map(|command| Note::PciSilent { address, command });
    Ok((console, warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cards(command: Option<u16>) -> Vec<PciSerial> {
        let bar = |index, io, start, len| Bar {
            index,
            io,
            start,
            len,
        };
        vec![PciSerial {
            address: "00:16.3".parse().unwrap(),
            class: 0x07_0002,
            command,
            bars: vec![
                bar(0, true, 0xf0a0, 8),
                bar(1, false, 0x12_fe03_2000, 0x1000),
            ],
        }]
    }

    fn of(text: &str, command: Option<u16>) -> Result<(Console, Option<Note>), ConsoleError> {
        match super::super::parse::console(text) {
            Ok(super::super::ConsoleSpec::Pci(arg)) => resolve(&arg, &cards(command)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bar_becomes_a_console() {
        let (console, warning) = of("pci:00:16.3,baud=9600", None).unwrap();
        assert_eq!(
            console,
            Console::Pio {
                port: 0xf0a0,
                divisor: Some(12)
            }
        );
        assert_eq!(warning, None);
        let memory = |addr, stride, width| Console::Mmio {
            addr,
            stride,
            width,
            divisor: None,
        };
        let text = "pci:0000:00:16.3,bar=1,stride=4,width=32,offset=0x200";
        assert_eq!(
            of(text, None).unwrap().0,
            memory(0x12_fe03_2200, 4, 32),
            "above 4 GiB"
        );
        // the I/O BAR is too small for a UART at this offset
        let text = "pci:00:16.3,offset=8";
        assert_eq!(of(text, None).unwrap().0, memory(0x12_fe03_2008, 1, 8));
    }

    #[test]
    fn a_card_with_decoding_disabled_is_a_warning() {
        let warning = |text, command| of(text, command).unwrap().1;
        let address = "00:16.3".parse().unwrap();
        let silent = Note::PciSilent {
            address,
            command: 2,
        };
        assert_eq!(warning("pci:00:16.3", Some(2)), Some(silent));
        assert_eq!(warning("pci:00:16.3", Some(1)), None);
        assert!(warning("pci:00:16.3,bar=1", Some(1)).is_some());
        assert_eq!(warning("pci:00:16.3,bar=1", Some(7)), None);
    }

    #[test]
    fn the_error_for_a_missing_function_lists_existing_ones() {
        let card = cards(None).remove(0);
        let no_bar = |offset| PciProblem::NoBar {
            stride: 1,
            offset,
            bars: card.bars.clone(),
        };
        let there = vec![card.address];
        for (text, expected) in [
            ("pci:00:16.2", PciProblem::NoFunction { there }),
            ("pci:00:16.3,bar=2", no_bar(0)),
            ("pci:00:16.3,bar=0,offset=1", no_bar(1)),
            ("pci:00:16.3,offset=0xffffffffffffffff", no_bar(u64::MAX)),
            ("pci:00:16.3,stride=4", PciProblem::Ports(card.bars[0])),
        ] {
            let address = text[4..11].parse().unwrap();
            let expected = ConsoleError::Pci {
                address,
                why: expected,
            };
            assert_eq!(of(text, None).unwrap_err(), expected, "{text}");
        }
    }
}
