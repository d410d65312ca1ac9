//! Recognizes Xen for arm64.

use crate::recognize::{XenInfo, version};
use memchr::memmem;

/// Magic number of an arm64 `Image`, and its offset (Linux, Documentation/arch/arm64/booting.rst).
const MAGIC: [u8; 4] = *b"ARM\x64";
const MAGIC_AT: usize = 0x38;

/// Texts of Xen for arm64, 4.17 to 4.21. Linux with support for Xen has none of them.
const SIGNS: [&[u8]; 4] = [
    b"----[ Xen-%d.%d%s  ",
    b"Xen version %d.%d%s (",
    b"The DTB must be 8-byte aligned and must not exceed 2 MB in size.",
    b"xen,xen-bootargs\0",
];
/// Number of [`SIGNS`] that must be present.
const ENOUGH: usize = 3;

/// Recognizes Xen in `data`, an unpacked file: an `Image` with the texts of Xen. Its EFI sections are no sign, they are named
/// as Linux's.
#[must_use]
pub fn recognize(data: &[u8]) -> Option<XenInfo> {
    if data.get(MAGIC_AT..MAGIC_AT + MAGIC.len()) != Some(&MAGIC) {
        return None;
    }
    let found = SIGNS
        .iter()
        .filter(|sign| memmem::find(data, sign).is_some());
    (found.count() >= ENOUGH).then(|| XenInfo {
        version: version(data),
    })
}

/// An `Image` of Xen, for tests.
#[cfg(test)]
pub(super) fn example(signs: usize) -> Vec<u8> {
    let mut data = vec![0; 0x40];
    data[MAGIC_AT..].copy_from_slice(&[MAGIC.as_slice(), &[0; 4]].concat());
    for sign in &SIGNS[..signs] {
        data.extend_from_slice(sign);
        data.push(0);
    }
    data.extend_from_slice(b"4.20.4+63-g7abfd2bce2\0\0aarch64-linux-gnu-gcc (Debian 14)\0");
    data
}
