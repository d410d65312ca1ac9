//! Option values as typed on the command line: numbers, ranges, files with
//! arguments, consoles.

use handoff::addr::PhysRange;
use std::path::PathBuf;

/// Parses an address or size: decimal or 0x hex, with an optional K, M or G.
///
/// # Errors
///
/// Says what was found and what is accepted.
pub fn address(text: &str) -> Result<u64, String> {
    let expected = || format!("`{text}` is not a number such as 0x10000000, 4096 or 256M");
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let (digits, radix) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) => (hex, 16),
        None => (digits, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(expected());
    }
    let value = u64::from_str_radix(digits, radix).map_err(|_| expected())?;
    value
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("`{text}` does not fit in 64 bits"))
}

/// Parses a half-open range, `START-END`.
///
/// # Errors
///
/// Says what was found and what is accepted.
pub fn range(text: &str) -> Result<PhysRange, String> {
    let (start, end) = text
        .split_once('-')
        .ok_or_else(|| format!("`{text}` is not a range such as 0x10000000-0x20000000"))?;
    match PhysRange::new(address(start)?, address(end)?) {
        Some(range) if !range.is_empty() => Ok(range),
        _ => Err(format!("range `{text}` ends before it starts")),
    }
}

/// A file to load as a module, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileWithArgs {
    /// The file.
    pub path: PathBuf,
    /// What follows, without the space between.
    pub args: String,
}

/// Parses `FILE [ARGS]`; a path with spaces is put in single or double quotes.
///
/// # Errors
///
/// Says what is missing.
pub fn file_with_args(text: &str) -> Result<FileWithArgs, String> {
    let text = text.trim_start();
    let (path, args) = match text.chars().next() {
        None => return Err("a module needs a file name".into()),
        Some(quote @ ('"' | '\'')) => {
            let (path, rest) = text[1..]
                .split_once(quote)
                .ok_or_else(|| format!("module `{text}`: the closing {quote} is missing"))?;
            if !rest.is_empty() && !rest.starts_with(char::is_whitespace) {
                return Err(format!(
                    "module `{text}`: a space must follow the closing {quote}"
                ));
            }
            (path, rest)
        }
        Some(_) => text.split_once(char::is_whitespace).unwrap_or((text, "")),
    };
    if path.is_empty() {
        return Err("a module needs a file name".into());
    }
    Ok(FileWithArgs {
        path: path.into(),
        args: args.trim().into(),
    })
}

/// `--console`, before `auto` is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleArg {
    /// Find out.
    Auto,
    /// As given.
    Fixed(handoff::spec::Console),
}

/// Parses `auto|none|com1|com2|pio:PORT[,BAUD]|mmio:ADDR[,stride=N][,width=N]`.
///
/// # Errors
///
/// Says which part is wrong and what is accepted.
pub fn console(text: &str) -> Result<ConsoleArg, String> {
    use handoff::spec::Console::{Mmio, None as Nowhere, Pio};
    let fixed = |console| Ok(ConsoleArg::Fixed(console));
    match text {
        "auto" => return Ok(ConsoleArg::Auto),
        "none" => return fixed(Nowhere),
        "com1" => {
            return fixed(Pio {
                port: 0x3f8,
                divisor: None,
            });
        }
        "com2" => {
            return fixed(Pio {
                port: 0x2f8,
                divisor: None,
            });
        }
        _ => {}
    }
    let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
    let mut parts = rest.split(',');
    let first = parts.next().unwrap_or("");
    match kind {
        "pio" => {
            let port = u16::try_from(address(first)?)
                .map_err(|_| format!("console `{text}`: I/O port {first} is above 0xffff"))?;
            let divisor = parts.next().map(divisor).transpose()?;
            match parts.next() {
                None => fixed(Pio { port, divisor }),
                Some(more) => Err(format!("console `{text}`: unexpected `{more}`")),
            }
        }
        "mmio" => {
            let addr = address(first)?;
            let (mut stride, mut width) = (1, 8);
            for part in parts {
                let number = |value: &str, allowed: &[u8]| {
                    let number = value.parse().ok().filter(|number| allowed.contains(number));
                    number.ok_or_else(|| format!("console `{text}`: `{part}`, must be {allowed:?}"))
                };
                match part.split_once('=') {
                    Some(("stride", value)) => stride = number(value, &[1, 2, 4, 8, 16])?,
                    Some(("width", value)) => width = number(value, &[8, 16, 32])?,
                    _ => return Err(format!("console `{text}`: unexpected `{part}`")),
                }
            }
            fixed(Mmio {
                addr,
                stride,
                width,
            })
        }
        _ => Err(format!(
            "console `{text}`: must be auto, none, com1, com2, pio:PORT[,BAUD] or \
             mmio:ADDR[,stride=1|2|4|8|16][,width=8|16|32]"
        )),
    }
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
    use handoff::spec::Console;

    #[test]
    fn addresses() {
        assert_eq!(address("0x10"), Ok(16));
        assert_eq!(address("256M"), Ok(256 << 20));
        assert_eq!(address("0x1G"), Ok(1 << 30));
        for bad in [
            "",
            "M",
            "0x",
            "-1",
            "+1",
            "1.5",
            "12q",
            "0x10000000000000000",
            "17179869184G",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(
            range("1M-0x200000"),
            Ok(PhysRange {
                start: 1 << 20,
                end: 2 << 20
            })
        );
        assert!(range("2M-1M").is_err() && range("1M").is_err() && range("1M-1M").is_err());
    }

    #[test]
    fn modules_with_and_without_quotes() {
        let parsed = |text| {
            let file = file_with_args(text).unwrap();
            (file.path.to_str().unwrap().to_owned(), file.args)
        };
        assert_eq!(
            parsed("/vmlinuz console=hvc0 quiet"),
            ("/vmlinuz".into(), "console=hvc0 quiet".into())
        );
        assert_eq!(parsed("/vmlinuz"), ("/vmlinuz".into(), String::new()));
        assert_eq!(
            parsed("'/my kernel' a=b"),
            ("/my kernel".into(), "a=b".into())
        );
        for bad in ["", "  ", "'/open", "\"/a\"b", "''"] {
            assert!(file_with_args(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn consoles() {
        let fixed = |text| match console(text) {
            Ok(ConsoleArg::Fixed(console)) => console,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(
            fixed("pio:0x2f8,9600"),
            Console::Pio {
                port: 0x2f8,
                divisor: Some(12)
            }
        );
        assert_eq!(
            fixed("mmio:0xfe000000,stride=4,width=32"),
            Console::Mmio {
                addr: 0xfe00_0000,
                stride: 4,
                width: 32
            }
        );
        assert_eq!(console("auto"), Ok(ConsoleArg::Auto));
        for bad in [
            "com9",
            "pio:0x10000",
            "pio:0x3f8,110000",
            "pio:0x3f8,9600,8n1",
            "mmio:",
            "mmio:0,stride=3",
            "mmio:0,depth=8",
            "",
        ] {
            assert!(console(bad).is_err(), "{bad}");
        }
    }
}
