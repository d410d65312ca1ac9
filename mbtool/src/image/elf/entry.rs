//! The entry point: virtual in the ELF header, physical for a loader.

use super::Load;

/// Meaning of `e_entry` of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) enum EntryAddress {
    /// As ELF has it.
    Virtual,
    /// As in a vmlinux.
    Physical,
}

/// Returns the physical address of `e_entry`.
pub(super) fn physical(
    e_entry: u64,
    expected: EntryAddress,
    loads: &[Load<'_>],
    warnings: &mut Vec<String>,
) -> u64 {
    let virtually = |load: &&Load<'_>| {
        e_entry
            .checked_sub(load.vaddr)
            .is_some_and(|offset| offset < load.range.len())
    };
    let mut found = loads.iter().filter(virtually);
    let translate = |load: &Load<'_>| load.range.start + (e_entry - load.vaddr);
    if let Some(first) = found.next() {
        let physical = translate(first);
        if let Some(other) = found.find(|other| translate(other) != physical) {
            warnings.push(format!(
                "entry point {e_entry:#x} is in program headers {} and {} at different physical \
                 addresses; the first is taken ({physical:#x})",
                first.index, other.index
            ));
        }
        return physical;
    }
    let inside = || loads.iter().any(|load| load.range.contains(e_entry));
    if expected == EntryAddress::Virtual && inside() {
        warnings.push(format!(
            "entry point {e_entry:#x} is in no segment's virtual memory and is taken as physical"
        ));
    }
    e_entry
}
