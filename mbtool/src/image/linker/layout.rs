//! Addresses of sections, and of the slots of the global offset table.

use super::cursor::Cursor;
use super::error::LinkError;
use super::kind::RelocKind;
use super::object_file::{ObjectFile, ObjectSection, ObjectSymbol, SymbolPlace};
use super::padding::Padding;
use super::{LinkedSection, LinkedSegment};
use handoff::addr::PAGE_SIZE;
use std::collections::{BTreeMap, BTreeSet};

/// Size of a slot, in bytes, and its alignment.
const SLOT: usize = 8;
const SLOT_ALIGN: u64 = 8;
/// Name of the global offset table.
pub(super) const TABLE: &str = ".got";

/// Where everything is.
pub(super) struct Layout {
    /// By index of the section; none for one that is not linked.
    placed: Vec<Option<PlacedSection>>,
    /// In the order of their addresses.
    order: Vec<usize>,
    segments: Vec<PlacedSegment>,
    /// Address of the global offset table.
    table: u64,
    /// Offsets of slots in it, by symbol.
    slots: BTreeMap<usize, u64>,
}

/// A section at its address.
pub(super) struct PlacedSection {
    pub(super) address: u64,
    /// Size without the padding that is cut.
    pub(super) size: u64,
    /// Index of its segment.
    pub(super) segment: usize,
    padding: Padding,
}

impl PlacedSection {
    /// Where the byte at an offset in the object is, from the start of the section.
    pub(super) fn offset(&self, in_object: u64) -> u64 {
        self.padding.moved(in_object)
    }
}

/// Memory of one kind.
struct PlacedSegment {
    kind: SegmentKind,
    address: u64,
    end: u64,
    /// End of the bytes that are stored.
    stored: u64,
}

/// What is in a segment; the order is that in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SegmentKind {
    Code,
    Constants,
    Data,
    /// Writable and executable, as the object asks for it.
    Mixed,
}

impl SegmentKind {
    const ALL: [Self; 4] = [Self::Code, Self::Constants, Self::Data, Self::Mixed];

    const fn of(section: &ObjectSection<'_>) -> Self {
        match (section.executable, section.writable) {
            (true, true) => Self::Mixed,
            (false, true) => Self::Data,
            (true, false) => Self::Code,
            (false, false) => Self::Constants,
        }
    }
}

impl Layout {
    /// Places the sections of `object` from `base` on.
    pub(super) fn new(object: &ObjectFile<'_>, base: u64) -> Result<Self, LinkError> {
        let mut layout = Self {
            placed: object.sections.iter().map(|_| None).collect(),
            order: Vec::new(),
            segments: Vec::new(),
            table: 0,
            slots: slots(object),
        };
        let mut cursor = Cursor::new(base);
        for kind in SegmentKind::ALL {
            layout.segment(object, kind, &mut cursor)?;
        }
        if layout.segments.is_empty() {
            return Err(LinkError::Nothing);
        }
        Ok(layout)
    }

    /// Places the sections of one kind, those with bytes first.
    fn segment(
        &mut self,
        object: &ObjectFile<'_>,
        kind: SegmentKind,
        cursor: &mut Cursor,
    ) -> Result<(), LinkError> {
        let members = |stored: bool| {
            let sections = object.sections.iter().enumerate();
            sections.filter(move |(_, section)| {
                section.allocated
                    && SegmentKind::of(section) == kind
                    && section.bytes.is_some() == stored
            })
        };
        let slots = match kind {
            SegmentKind::Constants => self.slots.len(),
            SegmentKind::Code | SegmentKind::Data | SegmentKind::Mixed => 0,
        };
        if members(true).chain(members(false)).next().is_none() && slots == 0 {
            return Ok(());
        }
        if !self.segments.is_empty() {
            // another kind has pages of its own
            cursor.take(0, PAGE_SIZE, || format!("{kind:?}"))?;
        }
        let index = self.segments.len();
        let start = cursor.at;
        for (number, section) in members(true) {
            self.place(number, section, index, cursor)?;
        }
        if slots != 0 {
            self.table = cursor.take(self.table_size(), SLOT_ALIGN, || TABLE.to_owned())?;
        }
        let stored = cursor.at;
        for (number, section) in members(false) {
            self.place(number, section, index, cursor)?;
        }
        if cursor.at > start {
            self.segments.push(PlacedSegment {
                kind,
                address: start,
                end: cursor.at,
                stored,
            });
        }
        Ok(())
    }

    fn place(
        &mut self,
        number: usize,
        section: &ObjectSection<'_>,
        segment: usize,
        cursor: &mut Cursor,
    ) -> Result<(), LinkError> {
        let start = cursor.take(0, section.align, || section.display_name())?;
        // without a cut; all addresses in it can be computed with
        cursor.fits(section.size, || section.display_name())?;
        let padding = Padding::new(section, start)?;
        let size = padding.moved(section.size);
        cursor.take(size, 1, || section.display_name())?;
        if let Some(slot) = self.placed.get_mut(number) {
            *slot = Some(PlacedSection {
                address: start,
                size,
                segment,
                padding,
            });
            self.order.push(number);
        }
        Ok(())
    }

    /// Where a section is, if it is linked.
    pub(super) fn placed(&self, index: usize) -> Option<&PlacedSection> {
        self.placed.get(index)?.as_ref()
    }

    /// Address of a symbol's slot in the global offset table.
    pub(super) fn slot(&self, symbol: usize) -> Option<u64> {
        Some(self.table + self.slots.get(&symbol)?)
    }

    /// Symbols with slots, and the addresses of those.
    pub(super) fn slots(&self) -> impl Iterator<Item = (usize, u64)> {
        let slots = self.slots.iter();
        slots.map(|(symbol, offset)| (*symbol, self.table + offset))
    }

    /// Size of the global offset table, in bytes.
    fn table_size(&self) -> u64 {
        u64::try_from(self.slots.len().saturating_mul(SLOT)).unwrap_or(u64::MAX)
    }

    /// Address of a symbol that the object defines, in a section that is linked.
    pub(super) fn address(&self, symbol: &ObjectSymbol<'_>) -> Option<u64> {
        match symbol.place {
            SymbolPlace::Absolute(value) => Some(value),
            SymbolPlace::Section(index, offset) => {
                let placed = self.placed(index)?;
                Some(placed.address.wrapping_add(placed.offset(offset)))
            }
            SymbolPlace::Undefined | SymbolPlace::Weak | SymbolPlace::Common => None,
        }
    }

    /// Size of a symbol without the padding that is cut.
    pub(super) fn size_of(&self, symbol: &ObjectSymbol<'_>) -> u64 {
        let SymbolPlace::Section(index, offset) = symbol.place else {
            return symbol.size;
        };
        let end = offset.saturating_add(symbol.size);
        let placed = self.placed(index);
        placed.map_or(symbol.size, |placed| {
            placed.offset(end) - placed.offset(offset)
        })
    }

    /// The segments with the bytes of the object, before relocation.
    pub(super) fn segments(&self, object: &ObjectFile<'_>) -> Vec<LinkedSegment> {
        let mut segments: Vec<LinkedSegment> = self
            .segments
            .iter()
            .map(|segment| LinkedSegment {
                address: segment.address,
                data: vec![0; usize::try_from(segment.stored - segment.address).unwrap_or(0)],
                size: segment.end - segment.address,
                writable: [SegmentKind::Data, SegmentKind::Mixed].contains(&segment.kind),
                executable: [SegmentKind::Code, SegmentKind::Mixed].contains(&segment.kind),
            })
            .collect();
        for (section, placed) in object.sections.iter().zip(&self.placed) {
            let (Some(bytes), Some(placed)) = (section.bytes, placed) else {
                continue;
            };
            let Some(segment) = segments.get_mut(placed.segment) else {
                continue;
            };
            let at = placed.address.checked_sub(segment.address);
            let at = at.and_then(|at| usize::try_from(at).ok());
            let to = at.and_then(|at| segment.data.get_mut(at..));
            let to = to.unwrap_or_default();
            for (to, from) in to.iter_mut().zip(placed.padding.cut(bytes)) {
                *to = from;
            }
        }
        segments
    }

    /// The sections by address.
    pub(super) fn sections(&self, object: &ObjectFile<'_>) -> Vec<LinkedSection> {
        let mut sections: Vec<LinkedSection> = Vec::new();
        for index in &self.order {
            let (Some(section), Some(placed)) = (object.sections.get(*index), self.placed(*index))
            else {
                continue;
            };
            sections.push(LinkedSection {
                name: section.display_name(),
                address: placed.address,
                size: placed.size,
            });
        }
        if !self.slots.is_empty() {
            sections.push(LinkedSection {
                name: TABLE.to_owned(),
                address: self.table,
                size: self.table_size(),
            });
            sections.sort_by_key(|section| section.address);
        }
        sections
    }
}

/// Offsets of slots, by symbol, in the order of symbols.
fn slots(object: &ObjectFile<'_>) -> BTreeMap<usize, u64> {
    let sections = object.sections.iter().filter(|section| section.allocated);
    let with_slot: BTreeSet<usize> = sections
        .flat_map(ObjectSection::relocations)
        .filter(|one| matches!(RelocKind::of(one.kind), Some(RelocKind::Slot(_))))
        .map(|one| one.symbol)
        .collect();
    with_slot.into_iter().zip((0..).step_by(SLOT)).collect()
}
