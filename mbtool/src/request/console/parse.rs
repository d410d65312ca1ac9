//! Parser of `--console`.

use crate::host::serial::PciAddress;
use crate::sys::quantity::address;
use handoff::spec::Console;

/// A console as given on the command line, not yet resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleSpec {
    /// Detect the console.
    Auto,
    /// No output.
    None,
    /// Explicit console.
    Fixed(Console),
    /// The UART of a PCI function.
    Pci(PciSpec),
    /// A log in RAM, in memory reserved with the running kernel's `memmap=`.
    RamLog,
}

/// `pci:...`: a UART of a PCI function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciSpec {
    /// PCI address of the function.
    pub address: PciAddress,
    /// BAR number; by default the first usable one.
    pub bar: Option<u8>,
    /// Offset of the UART in the BAR, in bytes.
    pub offset: u64,
    /// Memory BARs: distance between registers, in bytes.
    pub stride: u8,
    /// Memory BARs: access width in bits.
    pub width: u8,
    /// Divisor latch.
    pub divisor: Option<u16>,
}

/// Accepted values, for messages.
const ACCEPTED: &str = "auto, none, com1, com2, pio:PORT[,BAUD], \
    mmio:ADDR[,stride=1|2|4|8|16][,width=8|16|32][,baud=N], \
    pci:BB:DD.F[,bar=N][,offset=N][,stride=N][,width=N][,baud=N], debugcon[:PORT], sbi, pl011:ADDR or \
    ramlog[:ADDR[,size=N]]";

/// Parses one console; the caller splits a list at `+`.
///
/// # Errors
///
/// Names the invalid part and the accepted values.
pub fn console(text: &str) -> Result<ConsoleSpec, String> {
    let (kind, rest) = match text.split_once(':') {
        Some((kind, rest)) => (kind, Some(rest)),
        None => (text, None),
    };
    let fixed = |console| Ok(ConsoleSpec::Fixed(console));
    let com = |port| {
        fixed(Console::Pio {
            port,
            divisor: None,
        })
    };
    match (kind, rest) {
        ("auto", None) => Ok(ConsoleSpec::Auto),
        ("none", None) => Ok(ConsoleSpec::None),
        ("com1", None) => com(0x3f8),
        ("com2", None) => com(0x2f8),
        ("sbi", None) => fixed(Console::Firmware),
        ("pl011", Some(rest)) => fixed(Console::Pl011 {
            addr: address(rest)?,
        }),
        ("debugcon", None) => fixed(Console::Debugcon { port: 0xe9 }),
        ("debugcon", Some(rest)) => fixed(Console::Debugcon {
            port: port(text, rest)?,
        }),
        ("ramlog", None) => Ok(ConsoleSpec::RamLog),
        ("ramlog", Some(rest)) => {
            let mut parts = rest.split(',');
            let addr = address(parts.next().unwrap_or(""))?;
            let options = Options::parse(text, parts, &["size"])?;
            let size = options
                .size
                .unwrap_or_else(|| handoff::ramlog::DEFAULT_SIZE.into());
            let size = u32::try_from(size)
                .map_err(|_| format!("console `{text}`: size {size:#x} is too large"))?;
            fixed(Console::RamLog { addr, size })
        }
        ("pio", Some(rest)) => {
            let mut parts = rest.split(',');
            let port = port(text, parts.next().unwrap_or(""))?;
            let divisor = parts.next().map(divisor).transpose()?;
            match parts.next() {
                None => fixed(Console::Pio { port, divisor }),
                Some(more) => Err(format!("console `{text}`: unexpected `{more}`")),
            }
        }
        ("mmio", Some(rest)) => {
            let mut parts = rest.split(',');
            let addr = address(parts.next().unwrap_or(""))?;
            let options = Options::parse(text, parts, &["stride", "width", "baud"])?;
            fixed(Console::Mmio {
                addr,
                stride: options.stride,
                width: options.width,
                divisor: options.divisor,
            })
        }
        ("pci", Some(rest)) => {
            let mut parts = rest.split(',');
            let address = parts.next().unwrap_or("").parse();
            let address = address.map_err(|err| format!("console `{text}`: {err}"))?;
            let all = ["bar", "offset", "stride", "width", "baud"];
            let options = Options::parse(text, parts, &all)?;
            Ok(ConsoleSpec::Pci(PciSpec {
                address,
                bar: options.bar,
                offset: options.offset,
                stride: options.stride,
                width: options.width,
                divisor: options.divisor,
            }))
        }
        _ => Err(format!("console `{text}`: must be {ACCEPTED}")),
    }
}

/// Suboptions by name.
#[derive(Default)]
struct Options {
    stride: u8,
    width: u8,
    divisor: Option<u16>,
    bar: Option<u8>,
    offset: u64,
    size: Option<u64>,
}

impl Options {
    fn parse<'a>(
        text: &str,
        parts: impl Iterator<Item = &'a str>,
        allowed: &[&str],
    ) -> Result<Self, String> {
        let mut options = Self {
            stride: 1,
            width: 8,
            ..Self::default()
        };
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            if !allowed.contains(&name) {
                let allowed = allowed.join(", ");
                return Err(format!(
                    "console `{text}`: unexpected `{part}`, may be {allowed} with `=` and a value"
                ));
            }
            let one_of = |allowed: &[u8]| {
                let number = value.parse().ok().filter(|number| allowed.contains(number));
                number.ok_or_else(|| format!("console `{text}`: `{part}`, must be {allowed:?}"))
            };
            match name {
                "stride" => options.stride = one_of(&[1, 2, 4, 8, 16])?,
                "width" => options.width = one_of(&[8, 16, 32])?,
                "baud" => options.divisor = Some(divisor(value)?),
                "bar" => options.bar = Some(one_of(&[0, 1, 2, 3, 4, 5])?),
                "offset" => options.offset = address(value)?,
                _ => options.size = Some(address(value)?),
            }
        }
        Ok(options)
    }
}

fn port(text: &str, digits: &str) -> Result<u16, String> {
    u16::try_from(address(digits)?)
        .map_err(|_| format!("console `{text}`: I/O port {digits} is above 0xffff"))
}

/// The divisor latch for a baud rate at the usual 1.8432 MHz clock.
fn divisor(baud: &str) -> Result<u16, String> {
    let rate: u32 = baud
        .parse()
        .map_err(|_| format!("baud rate `{baud}` is not a number"))?;
    if rate == 0 || !115_200u32.is_multiple_of(rate) {
        return Err(format!("baud rate {rate} does not divide 115200"));
    }
    u16::try_from(115_200 / rate).map_err(|_| format!("baud rate {rate} is too slow"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> Console {
        match console(text) {
            Ok(ConsoleSpec::Fixed(console)) => console,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn consoles() {
        assert_eq!(
            fixed("pio:0x2f8,9600"),
            Console::Pio {
                port: 0x2f8,
                divisor: Some(12)
            }
        );
        assert_eq!(
            fixed("mmio:0x12fe000000,stride=4,width=32,baud=38400"),
            Console::Mmio {
                addr: 0x12_fe00_0000,
                stride: 4,
                width: 32,
                divisor: Some(3),
            }
        );
        assert_eq!(fixed("debugcon"), Console::Debugcon { port: 0xe9 });
        assert_eq!(fixed("debugcon:0x402"), Console::Debugcon { port: 0x402 });
        let log = |addr, size| Console::RamLog { addr, size };
        assert_eq!(fixed("ramlog:64M"), log(64 << 20, 64 << 10));
        assert_eq!(fixed("ramlog:64M,size=4K"), log(64 << 20, 4096));
        assert_eq!(console("auto"), Ok(ConsoleSpec::Auto));
        assert_eq!(console("ramlog"), Ok(ConsoleSpec::RamLog));
        assert_eq!(console("none"), Ok(ConsoleSpec::None));
    }

    #[test]
    fn pci_functions() {
        let Ok(ConsoleSpec::Pci(arg)) = console("pci:00:16.3") else {
            panic!("not pci")
        };
        assert_eq!(arg.address.to_string(), "0000:00:16.3");
        assert_eq!(
            (arg.bar, arg.offset, arg.stride, arg.width),
            (None, 0, 1, 8)
        );
        let text = "pci:0001:02:00.0,bar=2,offset=0x1000,stride=4,width=32,baud=9600";
        let Ok(ConsoleSpec::Pci(arg)) = console(text) else {
            panic!("not pci")
        };
        assert_eq!((arg.bar, arg.offset), (Some(2), 0x1000));
        assert_eq!((arg.stride, arg.width, arg.divisor), (4, 32, Some(12)));
    }

    #[test]
    fn bad_ones_are_refused() {
        for bad in [
            "com9",
            "com1:1",
            "pio:0x10000",
            "pio:0x3f8,110000",
            "pio:0x3f8,9600,8n1",
            "mmio:",
            "mmio:0,stride=3",
            "mmio:0,depth=8",
            "mmio:0,bar=1",
            "mmio:0,stride",
            "pci:00:16",
            "pci:00:16.3,bar=6",
            "pci:00:16.3,size=1",
            "debugcon:",
            "debugcon:0x10000",
            "ramlog:",
            "ramlog:0x1000,size=4G",
            "ramlog:0x1000,stride=1",
            "",
        ] {
            assert!(console(bad).is_err(), "{bad}");
        }
    }
}
