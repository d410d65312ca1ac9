//! Option values as typed on the command line: numbers, ranges, files with
//! arguments.

use crate::cmd::decode::{RamLogArg, SymbolArg};
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

/// Parses `FILE[@ADDR]`. An `@` that no address follows belongs to the name.
///
/// # Errors
///
/// There is no file name.
pub fn symbols(text: &str) -> Result<SymbolArg, String> {
    let (path, base) = match text.rsplit_once('@') {
        Some((path, addr)) if addr.starts_with(|c: char| c.is_ascii_digit()) => {
            (path, Some(address(addr)?))
        }
        _ => (text, None),
    };
    if path.is_empty() {
        return Err("a file with symbols needs a name: FILE[@ADDR]".into());
    }
    Ok(SymbolArg {
        path: path.into(),
        base,
    })
}

/// Parses the place of a RAM log: an address, or `auto`.
///
/// # Errors
///
/// As [`address`].
pub fn ram_log(text: &str) -> Result<RamLogArg, String> {
    match text {
        "auto" => Ok(RamLogArg::Auto),
        _ => Ok(RamLogArg::At(address(text)?)),
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn symbol_files_with_and_without_address() {
        let parsed = |text| {
            let arg = symbols(text).unwrap();
            (arg.path.to_str().unwrap().to_owned(), arg.base)
        };
        assert_eq!(parsed("a/xen-syms"), ("a/xen-syms".into(), None));
        assert_eq!(parsed("vmlinux@16M"), ("vmlinux".into(), Some(16 << 20)));
        assert_eq!(parsed("me@home/x"), ("me@home/x".into(), None));
        for bad in ["", "@0x1000", "x@12z"] {
            assert!(symbols(bad).is_err(), "{bad}");
        }
    }
}
