//! Lists of names in one string, separated by bars. Unlike an array of strings,
//! a string contains no pointers, so the blob needs no relocations for it.

/// Entry `n` of `list`.
#[must_use]
pub fn nth(list: &'static str, n: u32) -> Option<&'static [u8]> {
    entries(list).nth(n as usize)
}

/// All entries of `list`.
pub(crate) fn entries(list: &'static str) -> impl Iterator<Item = &'static [u8]> {
    list.as_bytes().split(|byte| *byte == b'|')
}
