//! Serial ports on Xen's command line (Xen, docs/misc/xen-command-line: `com1`, `com2`, `console`).

use super::pci;
use crate::host::Host;
use crate::host::serial::{PciAddress, PciSerial};
use crate::sys::number;
use handoff::spec::Console;
use xen_shim::cmdline::{Cmdline, value};

/// The ports with their I/O ports unless given.
const PORTS: [(&str, u64); 2] = [("com1", 0x3f8), ("com2", 0x2f8)];

/// A serial port that Xen sets up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XenPort {
    /// "com1" or "com2".
    pub name: &'static str,
    /// The parameter.
    pub parameter: String,
    /// The UART.
    pub console: Console,
    /// Baud rate; `None`: as firmware has set it.
    baud: Option<u32>,
    /// Data bits, "8" unless given.
    bits: String,
    /// Parity, "n" unless given.
    parity: String,
}

/// Returns the port that Xen prints on: the first of its `console=` that is set
/// up, else the first that is.
#[must_use]
pub fn port(line: &Cmdline, cards: &[PciSerial]) -> Option<XenPort> {
    let mut ports: Vec<XenPort> = PORTS
        .iter()
        .filter_map(|&(name, base)| read(line, name, base, cards))
        .collect();
    // Xen's default is com1,vga
    let console = line.value("console").unwrap_or("com1");
    // a letter may follow the name: com1H, com1L
    let printed = console
        .split(',')
        .find_map(|item| ports.iter().position(|port| item.starts_with(port.name)));
    let index = printed.or((!ports.is_empty()).then_some(0))?;
    Some(ports.swap_remove(index))
}

/// The same for the Xen below, in a dom0.
#[must_use]
pub fn running_port(host: &Host) -> Option<XenPort> {
    let line = host.xen.as_ref()?.command_line.as_deref()?;
    port(&Cmdline::xen(line), &host.serial.pci)
}

/// `com1=BAUD[/BASE][,DPS[,IO-BASE|pci|amt[,IRQ[,PORT-BDF]]]]`, or `NAME=VALUE`
/// pairs in place of what is left.
fn read(line: &Cmdline, name: &'static str, base: u64, cards: &[PciSerial]) -> Option<XenPort> {
    let parameter = line.named(name).next_back()?;
    let (mut baud, mut bits, mut parity) = (None, "8", "n");
    let (mut at, mut shift, mut width) = (Some(base), 0_u32, 1_u64);
    let (mut on_pci, mut function) = (false, None);
    let mut place = |text: &str, at: &mut Option<u64>| match text {
        "pci" | "amt" => on_pci = true,
        digits => *at = number::parse(digits).filter(|base| *base != 0),
    };
    let rate = |text: &str| text.split('/').next().and_then(|rate| rate.parse().ok());
    for (position, item) in value(parameter)?.split(',').enumerate() {
        match (position, item.split_once('=')) {
            (_, None) if item.is_empty() => {}
            (0, None) => baud = rate(item),
            (1, None) => (bits, parity) = (item.get(..1)?, item.get(1..2)?),
            (2, None) => place(item, &mut at),
            (4, None) => function = item.parse::<PciAddress>().ok(),
            (_, None) => {}
            (_, Some(("baud", rate_text))) => baud = rate(rate_text),
            (_, Some(("data-bits", text))) => bits = text,
            (_, Some(("parity", text))) => parity = text.get(..1)?,
            (_, Some(("io-base", text))) => place(text, &mut at),
            (_, Some(("dev", text))) => place(text, &mut at),
            (_, Some(("port", text))) => function = text.parse().ok(),
            (_, Some(("reg-shift", text))) => shift = text.parse().ok()?,
            (_, Some(("reg-width", text))) => width = text.parse().ok()?,
            (_, Some(_)) => {}
        }
    }
    let console = if on_pci {
        let address = function.or_else(|| cards.first().map(|card| card.address))?;
        pci::first(cards, address)?
    } else {
        let at = at?;
        match u16::try_from(at) {
            Ok(port) => super::kernel::pio(port),
            Err(_) => {
                let stride = 1_u8.checked_shl(shift).filter(|stride| *stride <= 16)?;
                let bits = u8::try_from(width).ok()?.checked_mul(8)?;
                [8, 16, 32].contains(&bits).then_some(())?;
                super::kernel::mmio(at, stride, bits)
            }
        }
    };
    Some(XenPort {
        name,
        parameter: parameter.to_owned(),
        console,
        baud,
        bits: bits.to_owned(),
        parity: parity.to_owned(),
    })
}

impl XenPort {
    /// Returns Linux's `console=` parameter for this port.
    #[must_use]
    pub fn linux(&self) -> String {
        let device = match self.console {
            Console::Pio { port: 0x3f8, .. } => "ttyS0".to_owned(),
            Console::Pio { port: 0x2f8, .. } => "ttyS1".to_owned(),
            Console::Pio { port: 0x3e8, .. } => "ttyS2".to_owned(),
            Console::Pio { port: 0x2e8, .. } => "ttyS3".to_owned(),
            Console::Pio { port, .. } => format!("uart8250,io,{port:#x}"),
            Console::Mmio {
                addr, width: 16, ..
            } => format!("uart8250,mmio16,{addr:#x}"),
            Console::Mmio {
                addr, width: 32, ..
            } => format!("uart8250,mmio32,{addr:#x}"),
            Console::Mmio { addr, .. } => format!("uart8250,mmio,{addr:#x}"),
            // Xen has no such ports
            Console::Debugcon { .. }
            | Console::RamLog { .. }
            | Console::Firmware
            | Console::Pl011 { .. } => String::new(),
        };
        match self.baud {
            Some(baud) => format!("console={device},{baud}{}{}", self.parity, self.bits),
            None => format!("console={device}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::serial::Bar;
    use crate::request::console::kernel::{mmio, pio};

    fn found(line: &str) -> Option<(Console, String)> {
        let card = PciSerial {
            address: "00:05.0".parse().unwrap(),
            class: 0x07_0002,
            command: Some(1),
            bars: vec![Bar {
                index: 0,
                io: true,
                start: 0xc050,
                len: 8,
            }],
        };
        let port = port(&Cmdline::xen(line), &[card])?;
        assert!(line.contains(&port.parameter));
        Some((port.console, port.linux()))
    }

    #[test]
    fn ports_become_consoles_of_linux() {
        for (line, console, linux) in [
            ("loglvl=all com2=115200,8n1", pio(0x2f8), "ttyS1,115200n8"),
            ("com1=9600/115200,7e1,0x3e8,4", pio(0x3e8), "ttyS2,9600e7"),
            ("com1=auto", pio(0x3f8), "ttyS0"),
            ("com1=115200", pio(0x3f8), "ttyS0,115200n8"),
            (
                "com1=115200 com2=9600 console=vga,com2",
                pio(0x2f8),
                "ttyS1,9600n8",
            ),
            (
                "com1=115200 com2=9600 console=com2H",
                pio(0x2f8),
                "ttyS1,9600n8",
            ),
            (
                "com2=1200 com1=2400 console=vga",
                pio(0x3f8),
                "ttyS0,2400n8",
            ),
            (
                "com1=115200,8n1,pci",
                pio(0xc050),
                "uart8250,io,0xc050,115200n8",
            ),
            (
                "com1=115200,8n1,pci,0,00:05.0",
                pio(0xc050),
                "uart8250,io,0xc050,115200n8",
            ),
            (
                "com1=115200,8n1,0xfe030000",
                mmio(0xfe03_0000, 1, 8),
                "uart8250,mmio,0xfe030000,115200n8",
            ),
            (
                "com1=baud=57600,parity=odd,io-base=0xfe030000,reg-shift=2,reg-width=4",
                mmio(0xfe03_0000, 4, 32),
                "uart8250,mmio32,0xfe030000,57600o8",
            ),
        ] {
            let expected = Some((console, format!("console={linux}")));
            assert_eq!(found(line), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_uart_is_none() {
        for line in [
            "console=tty0 quiet",
            "com1=115200,8n1,pci,0,00:06.0",
            "com1=115200,8n1,0x0",
            "com1",
            "com1=,x",
            "-- com1=115200",
        ] {
            // a line may not begin with "--" in Xen
            assert_eq!(found(&format!("quiet {line}")), None, "{line}");
        }
    }
}
