//! Serial consoles on Linux's command line (Documentation/admin-guide/kernel-parameters.rst, `console=`, `earlycon=`,
//! `earlyprintk=`).

use super::pci;
use crate::host::serial::{PciAddress, PciSerial};
use crate::sys::number;
use handoff::spec::Console;
use xen_shim::cmdline::Cmdline;

/// Returns the running kernel's console, and the parameter that names it. The
/// last `console=` has priority; `earlycon=` and `earlyprintk=` are used if no
/// `console=` is a serial port.
pub(super) fn from_kernel(line: &Cmdline, cards: &[PciSerial]) -> Option<(Console, String)> {
    let last = |name: &str, read: &dyn Fn(&str) -> Option<Console>| {
        line.values(name)
            .rev()
            .find_map(|value| Some((read(value)?, format!("{name}={value}"))))
    };
    last("console", &|value| com(value).or_else(|| uart(value)))
        .or_else(|| last("earlycon", &uart))
        .or_else(|| last("earlyprintk", &|value| early(value, cards)))
}

/// Returns a parameter that names a console which only a driver of the running
/// kernel can use: a USB debug port.
pub(super) fn unusable(line: &Cmdline) -> Option<String> {
    let debug_port = |value: &&str| value.starts_with("dbgp") || value.starts_with("xdbc");
    let value = line.values("earlyprintk").rfind(debug_port)?;
    Some(format!("earlyprintk={value}"))
}

pub(super) const fn pio(port: u16) -> Console {
    Console::Pio {
        port,
        divisor: None,
    }
}

pub(super) const fn mmio(addr: u64, stride: u8, width: u8) -> Console {
    Console::Mmio {
        addr,
        stride,
        width,
        divisor: None,
    }
}

/// `ttyS1,115200n8`.
fn com(value: &str) -> Option<Console> {
    let port = match value.split(',').next()?.strip_prefix("ttyS")? {
        "0" => 0x3f8,
        "1" => 0x2f8,
        "2" => 0x3e8,
        "3" => 0x2e8,
        _ => return None,
    };
    Some(pio(port))
}

/// `uart8250,io,0x3f8,...`, `uart,mmio32,0xfe032000`, `uart8250,0xfe032000`.
fn uart(value: &str) -> Option<Console> {
    let mut parts = value.split(',');
    if !matches!(parts.next()?, "uart" | "uart8250" | "ns16550" | "ns16550a") {
        return None;
    }
    let how = parts.next()?;
    let addr = |digits: Option<&str>| number::parse(digits?).filter(|addr| *addr != 0);
    match how {
        "io" => addr(parts.next())
            .and_then(|port| u16::try_from(port).ok())
            .map(pio),
        "mmio" => addr(parts.next()).map(|addr| mmio(addr, 1, 8)),
        "mmio16" => addr(parts.next()).map(|addr| mmio(addr, 2, 16)),
        "mmio32" | "mmio32native" => addr(parts.next()).map(|addr| mmio(addr, 4, 32)),
        digits => addr(Some(digits)).map(|addr| mmio(addr, 1, 8)),
    }
}

/// `serial`, `serial,ttyS1,...`, `serial,0x2f8`, `ttyS0`, `mmio32,ADDR`,
/// `pciserial[,force],BB:DD.F`.
fn early(value: &str, cards: &[PciSerial]) -> Option<Console> {
    let mut parts = value.split(',').peekable();
    match parts.next()? {
        "serial" => match parts.next() {
            Some(port) if port.starts_with("0x") => number::parse(port)
                .and_then(|port| u16::try_from(port).ok())
                .map(pio),
            port => Some(early_com(port.unwrap_or_default())),
        },
        port if port.starts_with("ttyS") => Some(early_com(port)),
        // several in one value
        "vga" | "efi" | "xen" => early(value.split_once(',')?.1, cards),
        "mmio32" => number::parse(parts.next()?).map(|addr| mmio(addr, 4, 32)),
        "mmio" => number::parse(parts.next()?).map(|addr| mmio(addr, 1, 8)),
        "pciserial" => {
            parts.next_if_eq(&"force");
            let address: PciAddress = parts.next()?.parse().ok()?;
            pci::first(cards, address)
        }
        _ => None,
    }
}

/// `ttyS1` or `1`: Linux's early code knows two ports, and takes the first for every other number.
fn early_com(port: &str) -> Console {
    let number = port.strip_prefix("ttyS").unwrap_or(port);
    match number {
        "1" => pio(0x2f8),
        _ => pio(0x3f8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::serial::Bar;

    fn kernel(cmdline: &str) -> Option<Console> {
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
        from_kernel(&Cmdline::linux(cmdline), &[card]).map(|(console, _)| console)
    }

    #[test]
    fn the_running_kernels_console() {
        for (cmdline, console) in [
            (
                "console=tty0 console=ttyS1,115200n8 quiet",
                Some(pio(0x2f8)),
            ),
            ("console=ttyS0 console=ttyS2", Some(pio(0x3e8))),
            ("console=uart8250,io,0x3e8,115200n8", Some(pio(0x3e8))),
            (
                "console=uart,mmio,0xfe030000",
                Some(mmio(0xfe03_0000, 1, 8)),
            ),
            (
                "console=uart8250,mmio16,0xfe030000",
                Some(mmio(0xfe03_0000, 2, 16)),
            ),
            (
                "console=uart8250,mmio32,0x12fe030000,115200",
                Some(mmio(0x12_fe03_0000, 4, 32)),
            ),
            (
                "earlycon=uart8250,0xfe030000",
                Some(mmio(0xfe03_0000, 1, 8)),
            ),
            ("earlyprintk=serial,ttyS2,9600", Some(pio(0x3f8))),
            ("earlyprintk=serial,ttyS1,9600", Some(pio(0x2f8))),
            ("earlyprintk=ttyS2", Some(pio(0x3f8))),
            ("earlyprintk=serial,1", Some(pio(0x2f8))),
            ("earlyprintk=serial,0,115200", Some(pio(0x3f8))),
            ("earlyprintk=serial,115200", Some(pio(0x3f8))),
            ("earlyprintk=vga,serial", Some(pio(0x3f8))),
            ("earlyprintk=efi,ttyS1,keep", Some(pio(0x2f8))),
            ("earlyprintk=serial,0x2f8,9600", Some(pio(0x2f8))),
            ("earlyprintk=serial", Some(pio(0x3f8))),
            ("earlyprintk=serial,keep", Some(pio(0x3f8))),
            ("earlyprintk=ttyS1,keep", Some(pio(0x2f8))),
            (
                "earlyprintk=mmio32,0xfe030000,nocfg",
                Some(mmio(0xfe03_0000, 4, 32)),
            ),
            ("earlyprintk=pciserial,00:05.0,115200", Some(pio(0xc050))),
            ("earlyprintk=pciserial,force,0:5.0", Some(pio(0xc050))),
            ("earlyprintk=pciserial,00:06.0", None),
            ("console=uart8250,io,0x10000", None),
            ("console=uart8250,mmio,0x0", None),
            ("console=uart8250,mmio", None),
            ("console=hvc0 earlyprintk=vga,keep", None),
            ("xconsole=ttyS0 consoleblank=0", None),
            ("console=\"ttyS0,115200\" quiet", Some(pio(0x3f8))),
            ("\"console=ttyS1,115200\" quiet", Some(pio(0x2f8))),
            ("earlycon=ns16550a,io,0x3e8", Some(pio(0x3e8))),
            ("earlycon", None),
            ("-- console=ttyS0", None),
            ("", None),
        ] {
            assert_eq!(kernel(cmdline), console, "{cmdline}");
        }
    }

    #[test]
    fn a_usb_debug_port_is_named() {
        let named = |line| unusable(&Cmdline::linux(line));
        let expected = Some("earlyprintk=dbgp1,keep".to_owned());
        assert_eq!(named("quiet earlyprintk=dbgp1,keep"), expected);
        assert_eq!(
            named("earlyprintk=xdbc"),
            Some("earlyprintk=xdbc".to_owned())
        );
        assert_eq!(named("earlyprintk=vga"), None);
    }
}
