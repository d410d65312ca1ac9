//! Values of relocations.

use super::error::{LinkError, RelocationPlace};
use super::field::{Field, FieldProblem};
use super::kind::RelocKind;
use super::layout::{Layout, PlacedSection, TABLE};
use super::object_file::{ObjectFile, ObjectSection, ObjectSymbol, Relocation, SymbolPlace};
use super::pairs::HighParts;
use super::task::Task;
use super::{LinkOptions, LinkedSegment};

/// Applies relocations.
pub(super) struct Relocator<'a> {
    object: &'a ObjectFile<'a>,
    layout: &'a Layout,
    options: &'a LinkOptions<'a>,
    high: HighParts,
}

impl<'a> Relocator<'a> {
    /// Finds all high parts: a low part may come before its own.
    pub(super) fn new(
        object: &'a ObjectFile<'a>,
        layout: &'a Layout,
        options: &'a LinkOptions<'a>,
    ) -> Result<Self, LinkError> {
        let mut relocator = Self {
            object,
            layout,
            options,
            high: HighParts::default(),
        };
        let mut high = HighParts::default();
        for (index, section, placed) in relocator.sections() {
            for relocation in section.relocations() {
                let task = Task {
                    relocation,
                    section,
                    placed,
                };
                let target = match task.kind()? {
                    RelocKind::Relative(Field::Upper) => relocator.value(&task)?,
                    RelocKind::Slot(_) => relocator.slot(&task)?,
                    _ => continue,
                };
                high.insert(index, task.offset(), task.distance(target));
            }
        }
        relocator.high = high;
        Ok(relocator)
    }

    /// Sections that are linked.
    fn sections(
        &self,
    ) -> impl Iterator<Item = (usize, &'a ObjectSection<'a>, &'a PlacedSection)> + use<'a> {
        let layout = self.layout;
        let sections = self.object.sections.iter().enumerate();
        sections.filter_map(move |(index, section)| Some((index, section, layout.placed(index)?)))
    }

    /// Fills in the global offset table, and applies all relocations.
    pub(super) fn apply(&self, segments: &mut [LinkedSegment]) -> Result<(), LinkError> {
        for (_, section, placed) in self.sections() {
            let bytes = section_bytes(segments, placed);
            let mut relocations = section.relocations().peekable();
            while let Some(relocation) = relocations.next() {
                let task = Task {
                    relocation,
                    section,
                    placed,
                };
                // the other half of a pair is the next one
                let next = relocations.peek().map(|next| Task {
                    relocation: *next,
                    ..task
                });
                if self.one(&task, next, bytes)? {
                    relocations.next();
                }
            }
        }
        for (symbol, slot) in self.layout.slots() {
            let at = || RelocationPlace {
                kind: ::object::elf::R_RISCV_GOT_HI20.0,
                section: TABLE.to_owned(),
                offset: 0,
            };
            let value = self.symbol_value(symbol, &at)?;
            let segment = segments.iter_mut().find_map(|segment| {
                let at = usize::try_from(slot.checked_sub(segment.address)?).ok()?;
                segment.data.get_mut(at..at.checked_add(8)?)
            });
            if let Some(bytes) = segment {
                bytes.copy_from_slice(&value.to_le_bytes());
            }
        }
        Ok(())
    }

    /// Applies a relocation; true if `next` is done, too.
    fn one(
        &self,
        task: &Task<'a>,
        next: Option<Task<'a>>,
        bytes: &mut [u8],
    ) -> Result<bool, LinkError> {
        let (field, value) = match task.kind()? {
            RelocKind::Nothing | RelocKind::Align => return Ok(false),
            RelocKind::Absolute(Field::Uleb128) => {
                let value = self.difference(task, next)?;
                self.store(task, Field::Uleb128, value, bytes)?;
                return Ok(true);
            }
            RelocKind::Subtract(Field::Uleb128) => {
                return Err(LinkError::Unpaired { at: task.at() });
            }
            RelocKind::Absolute(field) => (field, self.value(task)?.cast_signed()),
            RelocKind::Relative(field) => (field, task.distance(self.value(task)?)),
            RelocKind::Slot(field) => (field, task.distance(self.slot(task)?)),
            RelocKind::Low(field) => (field, self.low(task)?),
            RelocKind::Add(field) => {
                let number = task.number(field, bytes)?;
                (field, number.wrapping_add(self.value(task)?).cast_signed())
            }
            RelocKind::Subtract(field) => {
                let number = task.number(field, bytes)?;
                (field, number.wrapping_sub(self.value(task)?).cast_signed())
            }
        };
        self.store(task, field, value, bytes)?;
        Ok(false)
    }

    /// The difference of two symbols in ULEB128, of which each has a relocation.
    fn difference(&self, set: &Task<'a>, next: Option<Task<'a>>) -> Result<i64, LinkError> {
        let half = next.filter(|next| {
            next.relocation.offset == set.relocation.offset
                && RelocKind::of(next.relocation.kind) == Some(RelocKind::Subtract(Field::Uleb128))
        });
        let half = half.ok_or_else(|| LinkError::Unpaired { at: set.at() })?;
        let difference = self.value(set)?.wrapping_sub(self.value(&half)?);
        Ok(difference.cast_signed())
    }

    fn store(
        &self,
        task: &Task<'a>,
        field: Field,
        value: i64,
        bytes: &mut [u8],
    ) -> Result<(), LinkError> {
        let offset = usize::try_from(task.offset()).unwrap_or(usize::MAX);
        let symbol = || self.symbol_name(task.relocation.symbol);
        field
            .store(bytes, offset, value)
            .map_err(|problem| match problem {
                FieldProblem::Outside => LinkError::Outside { at: task.at() },
                FieldProblem::Odd => LinkError::Odd {
                    at: task.at(),
                    symbol: symbol(),
                    value,
                },
                FieldProblem::Range(range) => LinkError::Range {
                    at: task.at(),
                    symbol: symbol(),
                    value,
                    range,
                },
            })
    }

    /// The symbol's address and the addend.
    fn value(&self, task: &Task<'a>) -> Result<u64, LinkError> {
        let address = self.symbol_value(task.relocation.symbol, &|| task.at())?;
        Ok(address.wrapping_add_signed(task.relocation.addend))
    }

    /// The address of the symbol's slot and the addend.
    fn slot(&self, task: &Task<'a>) -> Result<u64, LinkError> {
        // a symbol that is not defined is reported with the place of this relocation
        self.symbol_value(task.relocation.symbol, &|| task.at())?;
        let slot = self.layout.slot(task.relocation.symbol).unwrap_or(0);
        Ok(slot.wrapping_add_signed(task.relocation.addend))
    }

    /// The distance of which this is the low part.
    fn low(&self, task: &Task<'a>) -> Result<i64, LinkError> {
        let Relocation { symbol, addend, .. } = task.relocation;
        if addend != 0 {
            return Err(LinkError::LowAddend {
                at: task.at(),
                addend,
            });
        }
        let label = self.symbol(symbol, &|| task.at())?.place;
        let distance = match label {
            SymbolPlace::Section(index, offset) => self
                .layout
                .placed(index)
                .and_then(|placed| self.high.at(index, placed.offset(offset))),
            _ => None,
        };
        distance.ok_or_else(|| LinkError::NoHighPart {
            at: task.at(),
            symbol: self.symbol_name(symbol),
        })
    }

    fn symbol(
        &self,
        index: usize,
        at: &dyn Fn() -> RelocationPlace,
    ) -> Result<&'a ObjectSymbol<'a>, LinkError> {
        let symbols = &self.object.symbols;
        symbols.get(index).ok_or_else(|| LinkError::SymbolIndex {
            at: at(),
            index,
            count: symbols.len(),
        })
    }

    /// Address of a symbol; 0 for the empty one.
    fn symbol_value(
        &self,
        index: usize,
        at: &dyn Fn() -> RelocationPlace,
    ) -> Result<u64, LinkError> {
        if index == 0 {
            return Ok(0);
        }
        let symbol = self.symbol(index, at)?;
        if let Some(address) = self.layout.address(symbol) {
            return Ok(address);
        }
        let name = self.object.name_of(symbol);
        let outside = || (self.options.outside)(&name);
        match symbol.place {
            SymbolPlace::Undefined => outside().ok_or_else(|| LinkError::Undefined {
                at: at(),
                symbol: name.clone(),
            }),
            SymbolPlace::Weak => Ok(outside().unwrap_or(0)),
            SymbolPlace::Common => Err(LinkError::Common {
                at: at(),
                symbol: name,
            }),
            SymbolPlace::Section(section, _) => Err(LinkError::NotLoaded {
                at: at(),
                symbol: name,
                section: self.object.section_name(section),
            }),
            SymbolPlace::Absolute(value) => Ok(value),
        }
    }

    fn symbol_name(&self, index: usize) -> String {
        let symbol = self.object.symbols.get(index);
        symbol.map_or_else(String::new, |symbol| self.object.name_of(symbol))
    }
}

/// The bytes of a section; none of one without.
fn section_bytes<'s>(segments: &'s mut [LinkedSegment], placed: &PlacedSection) -> &'s mut [u8] {
    let segment = segments.get_mut(placed.segment);
    let range = segment.as_ref().and_then(|segment| {
        let start = usize::try_from(placed.address.checked_sub(segment.address)?).ok()?;
        Some(start..start.checked_add(usize::try_from(placed.size).ok()?)?)
    });
    let bytes = segment
        .zip(range)
        .and_then(|(segment, range)| segment.data.get_mut(range));
    bytes.unwrap_or_default()
}
