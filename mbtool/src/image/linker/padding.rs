//! Padding for alignment. An assembler writes as much as could be needed (`R_RISCV_ALIGN`); the rest is cut here.

use super::error::{LinkError, RelocationPlace};
use super::kind::RelocKind;
use super::object_file::{ObjectSection, Relocation};
use handoff::addr::align_up;

/// `nop`, in 4 and in 2 bytes.
const NOP: [u8; 4] = [0x13, 0, 0, 0];
const SHORT_NOP: [u8; 2] = [0x01, 0];

/// The padding of a section.
#[derive(Debug, Default)]
pub(super) struct Padding {
    /// By offset, without overlaps.
    pieces: Vec<Piece>,
}

/// One padding.
#[derive(Debug)]
struct Piece {
    /// Offset in the object.
    start: u64,
    /// Its end there.
    end: u64,
    /// Bytes that stay.
    kept: u64,
    /// Bytes that are cut before it.
    cut_before: u64,
}

impl Piece {
    /// Nothing is cut, and the bytes stay as they are.
    const fn is_whole(&self) -> bool {
        self.end - self.start == self.kept
    }
}

impl Padding {
    /// The padding that `section` needs at `address`.
    pub(super) fn new(section: &ObjectSection<'_>, address: u64) -> Result<Self, LinkError> {
        let mut relocations: Vec<Relocation> = section
            .relocations()
            .filter(|one| RelocKind::of(one.kind) == Some(RelocKind::Align))
            .collect();
        relocations.sort_by_key(|one| one.offset);
        let mut pieces: Vec<Piece> = Vec::new();
        let mut cut = 0;
        for relocation in relocations {
            let at = || RelocationPlace {
                kind: relocation.kind,
                section: section.display_name(),
                offset: relocation.offset,
            };
            let start = relocation.offset;
            let present = u64::try_from(relocation.addend).ok();
            let end = present.and_then(|present| start.checked_add(present));
            let before = pieces.last().map_or(0, |piece| piece.end);
            let stored = section.bytes.is_some();
            let (Some(present), Some(end)) = (present, end) else {
                return Err(LinkError::Outside { at: at() });
            };
            if !stored || start < before || end > section.size {
                return Err(LinkError::Outside { at: at() });
            }
            // an instruction of 2 or 4 bytes is before the padding
            let align = (present + 2).next_power_of_two();
            let here = address + (start - cut);
            let needed = align_up(here, align).map_or(u64::MAX, |aligned| aligned - here);
            if needed > present || !needed.is_multiple_of(2) {
                return Err(LinkError::Padding {
                    at: at(),
                    present,
                    needed,
                    align,
                });
            }
            pieces.push(Piece {
                start,
                end,
                kept: needed,
                cut_before: cut,
            });
            cut += present - needed;
        }
        Ok(Self { pieces })
    }

    /// Where the byte at the offset `at` of the object is.
    pub(super) fn moved(&self, at: u64) -> u64 {
        let after = self.pieces.partition_point(|piece| piece.start < at);
        let piece = after.checked_sub(1).and_then(|last| self.pieces.get(last));
        let Some(piece) = piece else { return at };
        let kept = (at.min(piece.end) - piece.start).min(piece.kept);
        let behind = at.saturating_sub(piece.end);
        (piece.start - piece.cut_before) + kept + behind
    }

    /// `bytes` of the object with the padding that is needed.
    pub(super) fn cut<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = u8> + 'a {
        let part = |start: u64, end: u64| {
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            let end = usize::try_from(end).unwrap_or(usize::MAX);
            bytes.get(start..end.min(bytes.len())).unwrap_or_default()
        };
        let starts = [0]
            .into_iter()
            .chain(self.pieces.iter().map(|piece| piece.end));
        let ends = self.pieces.iter().map(Some).chain([None]);
        starts.zip(ends).flat_map(move |(start, piece)| {
            let end = match piece {
                None => u64::MAX,
                Some(piece) if piece.is_whole() => piece.end,
                Some(piece) => piece.start,
            };
            let cut = piece.filter(|piece| !piece.is_whole());
            let kept = cut.map_or(0, |piece| piece.kept);
            part(start, end).iter().copied().chain(nops(kept))
        })
    }
}

/// `len` bytes of instructions that do nothing.
fn nops(len: u64) -> impl Iterator<Item = u8> {
    let len = usize::try_from(len).unwrap_or(0);
    let long = NOP.into_iter().cycle().take(len / 4 * 4);
    long.chain(SHORT_NOP.into_iter().take(len % 4))
}
