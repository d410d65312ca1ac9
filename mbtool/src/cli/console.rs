//! `--console auto`: where this machine's serial output goes.

use super::values::ConsoleArg;
use handoff::spec::Console;

/// Resolves `arg`: the running kernel's `console=` and `earlyprintk=` first,
/// then Xen's `com1=` or `com2=` on the image's command line. The UART keeps
/// the settings that the running kernel gave it.
///
/// Returns the console and, for `auto`, a sentence about the choice.
#[must_use]
pub fn resolve(arg: ConsoleArg, kernel: &str, image: &str) -> (Console, Option<String>) {
    if let ConsoleArg::Fixed(console) = arg {
        return (console, None);
    }
    let found = from_kernel(kernel).or_else(|| from_image(image));
    match found {
        Some((port, word)) => (
            Console::Pio {
                port,
                divisor: None,
            },
            Some(format!(
                "handoff console: I/O port {port:#x} (from `{word}`)"
            )),
        ),
        None => (
            Console::None,
            Some(
                "handoff console: none found (no console=ttyS or earlyprintk= on the running \
                 kernel's command line, no com1= on the image's): a failure between the two \
                 kernels will be silent; give --console com1 to see it"
                    .into(),
            ),
        ),
    }
}

/// Linux puts the console it prefers last.
fn from_kernel(cmdline: &str) -> Option<(u16, &str)> {
    let words = cmdline.split_whitespace();
    let console = words.clone().rev().find_map(|word| {
        let name = word.strip_prefix("console=")?;
        Some((serial_port(name)?, word))
    });
    console.or_else(|| {
        words.rev().find_map(|word| {
            let name = word.strip_prefix("earlyprintk=")?;
            let name = name.strip_prefix("serial,").unwrap_or(name);
            let port = if name == "serial" {
                Some(0x3f8)
            } else {
                serial_port(name)
            };
            Some((port?, word))
        })
    })
}

/// `ttyS1,115200n8` or `0x2f8,...` to an I/O port.
fn serial_port(name: &str) -> Option<u16> {
    let name = name.split(',').next()?;
    if let Some(hex) = name.strip_prefix("0x") {
        return u16::from_str_radix(hex, 16).ok();
    }
    match name.strip_prefix("ttyS")? {
        "0" => Some(0x3f8),
        "1" => Some(0x2f8),
        "2" => Some(0x3e8),
        "3" => Some(0x2e8),
        _ => None,
    }
}

/// Xen: `com1=115200,8n1[,iobase]`.
fn from_image(cmdline: &str) -> Option<(u16, &str)> {
    cmdline.split_whitespace().find_map(|word| {
        let (name, value) = word.split_once('=')?;
        let default = match name {
            "com1" => 0x3f8,
            "com2" => 0x2f8,
            _ => return None,
        };
        let port = match value.split(',').nth(2) {
            None | Some("") => default,
            Some(base) => u16::from_str_radix(base.strip_prefix("0x")?, 16).ok()?,
        };
        Some((port, word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(kernel: &str, image: &str) -> Option<u16> {
        match resolve(ConsoleArg::Auto, kernel, image) {
            (
                Console::Pio {
                    port,
                    divisor: None,
                },
                Some(_),
            ) => Some(port),
            (Console::None, Some(_)) => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn auto() {
        assert_eq!(
            port("console=tty0 console=ttyS1,115200n8 quiet", ""),
            Some(0x2f8)
        );
        assert_eq!(port("earlyprintk=serial,ttyS2,9600", ""), Some(0x3e8));
        assert_eq!(port("earlyprintk=serial", ""), Some(0x3f8));
        assert_eq!(
            port("console=hvc0", "loglvl=all com2=115200,8n1"),
            Some(0x2f8)
        );
        assert_eq!(port("", "com1=115200,8n1,0x3e8,4"), Some(0x3e8));
        assert_eq!(port("", "com1=115200,8n1,pci"), None);
        assert_eq!(port("console=tty0", "quiet"), None);
    }
}
