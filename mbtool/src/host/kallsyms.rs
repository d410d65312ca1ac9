//! Symbols of the running kernel.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Maximum number of bytes of /proc/kallsyms to search; about 20 MB are usual.
const SYMBOLS: u64 = 128 << 20;

/// Returns what `found` makes of the first symbol that it knows, by type and name. `None` too
/// where /proc/kallsyms does not exist.
pub fn find<T>(root: &Path, mut found: impl FnMut(u8, &[u8]) -> Option<T>) -> Option<T> {
    scan(root, |_, kind, name| found(kind, name))
}

/// Returns the address of a symbol; `None` without it, or where addresses are hidden.
pub fn address(root: &Path, wanted: &str) -> Option<u64> {
    let digits = scan(root, |address, _, name| {
        (name == wanted.as_bytes()).then(|| String::from_utf8_lossy(address).into_owned())
    })?;
    let address = u64::from_str_radix(&digits, 16).ok()?;
    (address != 0).then_some(address)
}

/// As [`find`], with the digits of the address first.
fn scan<T>(root: &Path, mut found: impl FnMut(&[u8], u8, &[u8]) -> Option<T>) -> Option<T> {
    let file = File::open(root.join("proc/kallsyms")).ok()?;
    let lines = BufReader::new(file.take(SYMBOLS)).split(b'\n');
    for line in lines.map_while(Result::ok) {
        // address, type, name, and of a module: a tab and its name
        let mut words = line.split(|byte| byte.is_ascii_whitespace());
        let (Some(address), Some([kind]), Some(name)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        if let Some(known) = found(address, *kind, name) {
            return Some(known);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;

    #[test]
    fn symbols_are_split_and_other_lines_are_skipped() {
        let root = tempfile::tempdir().unwrap();
        let all = |root: &Path| {
            let mut all = Vec::new();
            find(root, |kind, name| {
                all.push((kind, String::from_utf8(name.to_vec()).unwrap()));
                None::<()>
            });
            all
        };
        assert!(all(root.path()).is_empty());
        let text = "0000000000000000 T _start\n\nx\n0 tt two\n0 d module_data\t[kvm]\n";
        put(root.path(), "proc/kallsyms", text);
        let expected = [
            (b'T', "_start".to_owned()),
            (b'd', "module_data".to_owned()),
        ];
        assert_eq!(all(root.path()), expected);
        let found = find(root.path(), |kind, _| (kind == b'd').then_some(1));
        assert_eq!(found, Some(1));
        let text = "c0208000 T _text\n0 T hidden\n";
        put(root.path(), "proc/kallsyms", text);
        let of = |name| address(root.path(), name);
        assert_eq!(
            (of("_text"), of("hidden"), of("none")),
            (Some(0xc020_8000), None, None)
        );
    }
}
