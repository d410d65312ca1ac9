//! Option values: files with arguments, files with symbols.

use crate::cmd::decode::{RamLogArg, SymbolArg};
use crate::sys::quantity::address;
use std::path::PathBuf;

/// Parses `FILE[@ADDR]`. An `@` without an address after it is part of the
/// name.
///
/// # Errors
///
/// When there is no file name.
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

/// Parses the address of a RAM log, or `auto`.
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
    /// Path of the file.
    pub path: PathBuf,
    /// Arguments, without the separating space.
    pub args: String,
}

/// Parses `FILE [ARGS]`; a path with spaces must be quoted with single or
/// double quotes.
///
/// # Errors
///
/// The missing part.
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
