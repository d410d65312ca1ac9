//! Recognizes a Xen hypervisor image.
//!
//! Xen's ELF file has no note, section or symbol with its name. A few printf
//! formats are the same in all releases. A Linux kernel with Xen guest support
//! does not contain them, and data that merely quotes them has no Multiboot2
//! header near its start.

use memchr::memmem;
use serde::Serialize;

/// Formats of x86 Xen, as in Debian's 4.17.7 and 4.20.3. The third is gone from
/// 4.20, the last came with 4.17.3.
const SIGNS: [&[u8]; 4] = [
    b"----[ Xen-%d.%d%s  ",
    b"Xen version %d.%d%s (",
    b"xen-%d.%d-x86_64 \0",
    b"Xen must be loaded at a 2Mb boundary!",
];
/// Number of [`SIGNS`] that must be present.
const ENOUGH: usize = 2;
/// Multiboot2 header magic as bytes in memory (Multiboot2 spec, 3.1.2).
const HEADER_MAGIC: [u8; 4] = 0xe852_50d6_u32.to_le_bytes();
/// The header lies in the first 32 KiB (Multiboot2 spec, 3.1).
const HEADER_LIMIT: usize = 32768;
/// Distance after the version string in which [`version`] searches for the name
/// of the compiler, in bytes.
const COMPILER_WINDOW: usize = 128;
/// Names of compilers.
const COMPILERS: [&[u8]; 2] = [b"gcc", b"clang"];
/// Maximum length of the version string.
const VERSION_LEN: usize = 64;

/// Facts from the contents of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct XenInfo {
    /// "4.17.5+72-g01140da4e8-1" if present, as in builds of distributors. For
    /// messages only.
    pub version: Option<String>,
}

/// Recognizes Xen in `data`: the unpacked file, or its first segment.
///
/// `None` for anything else, in linear time and without allocating more than
/// the version string.
#[must_use]
pub fn recognize(data: &[u8]) -> Option<XenInfo> {
    let head = &data[..data.len().min(HEADER_LIMIT)];
    // only 4-byte alignment is asked: a segment need not start where its file does
    if !head.chunks_exact(4).any(|word| word == HEADER_MAGIC) {
        return None;
    }
    let signs = SIGNS
        .iter()
        .filter(|sign| memmem::find(data, sign).is_some())
        .count();
    (signs >= ENOUGH).then(|| XenInfo {
        version: version(data),
    })
}

/// The full version string, if present: distributors put it into the changeset,
/// which comes right before the name of the compiler.
pub(crate) fn version(data: &[u8]) -> Option<String> {
    COMPILERS.iter().find_map(|name| {
        // strings that end before this one were already compared: linear time, whatever the data
        let mut compared = 0;
        memmem::find_iter(data, name).find_map(|at| {
            let end = at + name.len();
            let window = end.saturating_sub(COMPILER_WINDOW).max(compared);
            compared = at;
            first_version(&data[..at], window)
        })
    })
}

/// The first version string in `data` whose NUL is at `window` or later.
fn first_version(data: &[u8], window: usize) -> Option<String> {
    // a string that ends in the window may begin before it
    let mut end = window.saturating_sub(VERSION_LEN + 1);
    data[end..]
        .split_inclusive(|&byte| byte == 0)
        .find_map(|text| {
            end += text.len();
            let text = text.strip_suffix(&[0])?;
            (end > window).then(|| version_string(text)).flatten()
        })
}

/// Returns `text` if it looks like "4.17.5…": two numbers, then `.`, `-`, `+`
/// or `~`.
fn version_string(text: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(text).ok()?;
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() > VERSION_LEN || !printable {
        return None;
    }
    let (major, rest) = text.split_once('.')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number = |s: &str| !s.is_empty() && s.len() <= 2 && s.bytes().all(|b| b.is_ascii_digit());
    let minor = &rest[..digits];
    let follows = rest[digits..].starts_with(['.', '-', '+', '~']);
    (number(major) && number(minor) && follows).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn image(strings: &[&[u8]]) -> Vec<u8> {
        let mut data = vec![0x90; 0x18];
        data.extend_from_slice(&HEADER_MAGIC);
        data.resize(0x400, 0);
        for string in strings {
            data.extend_from_slice(string);
            data.push(0);
        }
        data
    }

    #[test]
    fn two_signs_and_a_header_are_xen() {
        let data = image(&[SIGNS[0], SIGNS[1], b"4.20.3", b"", b"gcc (Debian) 14"]);
        assert_eq!(recognize(&data).unwrap().version.as_deref(), Some("4.20.3"));
        assert_eq!(
            recognize(&image(&[SIGNS[0], SIGNS[2]])),
            Some(XenInfo { version: None })
        );
    }

    #[test]
    fn one_sign_or_no_header_is_not() {
        assert_eq!(recognize(&image(&[SIGNS[1]])), None);
        let headless = &image(&[SIGNS[0], SIGNS[1], SIGNS[2]])[0x20..];
        assert_eq!(recognize(headless), None);
    }

    #[test]
    fn a_linux_kernel_with_guest_support_is_not() {
        let strings: [&[u8]; 7] = [
            b"Xen version: %d.%d%s%s",
            b"Xen version %d.%d.",
            b"xen-3.0-x86_64",
            b"Xen-platform",
            b"XenVMMXenVMM",
            b"4.20.3",
            b"gcc (Debian) 14",
        ];
        assert_eq!(recognize(&image(&strings)), None);
    }

    #[test]
    fn versions_are_distinguished_from_other_dotted_strings() {
        for good in [
            "4.17.5+72-g01140da4e8-1",
            "4.20.3",
            "4.21-rc1",
            "4.23-unstable",
        ] {
            assert_eq!(version_string(good.as_bytes()).as_deref(), Some(good));
        }
        for bad in [
            "13:52:25",
            ".5",
            "4.",
            "4.17",
            "lists.alioth.debian.org",
            "4.17 x",
            "12345.6.",
        ] {
            assert_eq!(version_string(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_not_xen(mut data in proptest::collection::vec(any::<u8>(), 0..4096)) {
            if data.len() >= 4 {
                data[..4].copy_from_slice(&HEADER_MAGIC);
            }
            prop_assert_eq!(recognize(&data), None);
        }
    }
}
