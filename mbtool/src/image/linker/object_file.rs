//! Sections and symbols of a relocatable object.

use super::error::LinkError;
use ::object::elf::{self, FileHeader64, Rela64};
use ::object::endian::LittleEndian;
use ::object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym, SymbolTable};
use ::object::read::{SectionIndex, SymbolIndex};

type Header = FileHeader64<LittleEndian>;
type Sections<'a> = SectionTable<'a, Header>;
type Symbols<'a> = SymbolTable<'a, Header>;

/// Maximum length of all names together, in bytes: a table can have one long name many times.
const MAX_NAMES: usize = 64 << 20;

/// A relocatable object.
pub(super) struct ObjectFile<'a> {
    /// By their index.
    pub(super) sections: Vec<ObjectSection<'a>>,
    /// By their index; the first one is empty.
    pub(super) symbols: Vec<ObjectSymbol<'a>>,
}

/// A section.
pub(super) struct ObjectSection<'a> {
    pub(super) name: &'a [u8],
    /// Occupies memory.
    pub(super) allocated: bool,
    pub(super) writable: bool,
    pub(super) executable: bool,
    /// Its bytes; none for zeros.
    pub(super) bytes: Option<&'a [u8]>,
    /// Size in bytes.
    pub(super) size: u64,
    /// A power of two.
    pub(super) align: u64,
    /// Tables of relocations, in file order.
    pub(super) relocations: Vec<&'a [Rela64<LittleEndian>]>,
}

impl ObjectSection<'_> {
    /// Its name in messages.
    pub(super) fn display_name(&self) -> String {
        String::from_utf8_lossy(self.name).into_owned()
    }

    /// Its relocations, in file order.
    pub(super) fn relocations(&self) -> impl Iterator<Item = Relocation> {
        self.relocations
            .iter()
            .flat_map(|table| table.iter())
            .map(|rela| Relocation {
                kind: rela.r_type(LittleEndian, false).0,
                offset: rela.r_offset.get(LittleEndian),
                symbol: usize::try_from(rela.r_sym(LittleEndian, false)).unwrap_or(usize::MAX),
                addend: rela.r_addend.get(LittleEndian),
            })
    }
}

/// A relocation.
#[derive(Clone, Copy)]
pub(super) struct Relocation {
    pub(super) kind: u32,
    pub(super) offset: u64,
    pub(super) symbol: usize,
    pub(super) addend: i64,
}

/// A symbol.
pub(super) struct ObjectSymbol<'a> {
    name: &'a [u8],
    pub(super) place: SymbolPlace,
    pub(super) size: u64,
    /// Not local.
    pub(super) global: bool,
    /// Neither of a section nor of a file.
    pub(super) named: bool,
}

/// Where a symbol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SymbolPlace {
    /// In another object.
    Undefined,
    /// In another object, or at 0.
    Weak,
    /// Memory that the linker gives.
    Common,
    /// A number.
    Absolute(u64),
    /// At an offset of a section.
    Section(usize, u64),
}

impl<'a> ObjectFile<'a> {
    /// Reads `file`.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, LinkError> {
        let header = Header::parse(file).map_err(damaged)?;
        let endian = header.endian().map_err(damaged)?;
        let (kind, machine) = (header.e_type(endian), header.e_machine(endian));
        if (kind, machine) != (elf::ET_REL, elf::EM_RISCV) {
            return Err(LinkError::NotAnObject {
                kind: kind.0,
                machine: machine.0,
            });
        }
        let table = header.sections(endian, file).map_err(damaged)?;
        let mut names = 0;
        let mut sections = Vec::new();
        for section in table.iter() {
            sections.push(ObjectSection::read(file, &table, section, &mut names)?);
        }
        let symbols = table
            .symbols(endian, file, elf::SHT_SYMTAB)
            .map_err(damaged)?;
        relocations(file, &table, &symbols, &mut sections)?;
        let symbols = symbols
            .enumerate()
            .map(|(index, symbol)| ObjectSymbol::read(&symbols, index, symbol, &mut names))
            .collect::<Result<_, _>>()?;
        Ok(Self { sections, symbols })
    }

    /// Name of a symbol in messages: that of its section, if it has none.
    pub(super) fn name_of(&self, symbol: &ObjectSymbol<'_>) -> String {
        match symbol.place {
            SymbolPlace::Section(index, _) if symbol.name.is_empty() => self.section_name(index),
            _ => String::from_utf8_lossy(symbol.name).into_owned(),
        }
    }

    /// Name of a section in messages.
    pub(super) fn section_name(&self, index: usize) -> String {
        match self.sections.get(index) {
            Some(section) => section.display_name(),
            None => format!("number {index}"),
        }
    }
}

impl<'a> ObjectSection<'a> {
    fn read(
        file: &'a [u8],
        table: &Sections<'a>,
        section: &'a elf::SectionHeader64<LittleEndian>,
        names: &mut usize,
    ) -> Result<Self, LinkError> {
        let endian = LittleEndian;
        let name = table.section_name(endian, section).map_err(damaged)?;
        let name = counted(name, names)?;
        let flags = section.sh_flags(endian);
        let has = |flag: elf::SectionFlags| flags.0 & flag.0 != 0;
        let kind = section.sh_type(endian);
        let allocated = has(elf::SHF_ALLOC);
        let display = || String::from_utf8_lossy(name).into_owned();
        let align = section.sh_addralign(endian).max(1);
        if allocated && !align.is_power_of_two() {
            let section = display();
            return Err(LinkError::Alignment { section, align });
        }
        if allocated && has(elf::SHF_TLS) {
            return Err(LinkError::ThreadLocal { section: display() });
        }
        let bytes = match kind {
            elf::SHT_NOBITS => None,
            _ if allocated => Some(section.data(endian, file).map_err(damaged)?),
            _ => Some(&[][..]),
        };
        Ok(Self {
            name,
            allocated,
            writable: has(elf::SHF_WRITE),
            executable: has(elf::SHF_EXECINSTR),
            bytes,
            size: section.sh_size(endian),
            align,
            relocations: Vec::new(),
        })
    }
}

impl<'a> ObjectSymbol<'a> {
    fn read(
        table: &Symbols<'a>,
        index: SymbolIndex,
        symbol: &'a elf::Sym64<LittleEndian>,
        names: &mut usize,
    ) -> Result<Self, LinkError> {
        let endian = LittleEndian;
        let name = table.symbol_name(endian, symbol).map_err(damaged)?;
        let value = symbol.st_value(endian);
        let section = table
            .symbol_section(endian, symbol, index)
            .map_err(damaged)?;
        let place = match (section, symbol.st_shndx(endian)) {
            (Some(section), _) => SymbolPlace::Section(section.0, value),
            (None, elf::SHN_ABS) => SymbolPlace::Absolute(value),
            (None, elf::SHN_COMMON) => SymbolPlace::Common,
            (None, _) if symbol.st_bind() == elf::STB_WEAK => SymbolPlace::Weak,
            (None, _) => SymbolPlace::Undefined,
        };
        Ok(Self {
            name: counted(name, names)?,
            place,
            size: symbol.st_size(endian),
            global: symbol.st_bind() != elf::STB_LOCAL,
            named: !matches!(symbol.st_type(), elf::STT_SECTION | elf::STT_FILE),
        })
    }
}

/// Gives the tables of relocations to the sections that they are for.
fn relocations<'a>(
    file: &'a [u8],
    table: &Sections<'a>,
    symbols: &Symbols<'a>,
    sections: &mut [ObjectSection<'a>],
) -> Result<(), LinkError> {
    let endian = LittleEndian;
    let mut sum = 0;
    for (index, section) in table.enumerate() {
        let kind = section.sh_type(endian);
        if !matches!(kind, elf::SHT_REL | elf::SHT_RELA) {
            continue;
        }
        let name = sections.get(index.0).map(ObjectSection::display_name);
        let target = usize::try_from(section.sh_info(endian)).unwrap_or(usize::MAX);
        let target = sections.get_mut(target).filter(|target| target.allocated);
        let Some(target) = target else { continue };
        if kind == elf::SHT_REL {
            let section = name.unwrap_or_default();
            return Err(LinkError::WithoutAddends { section });
        }
        let Some((rela, link)) = section.rela(endian, file).map_err(damaged)? else {
            continue;
        };
        if link != symbols.section() && link != SectionIndex(0) {
            let problem = format!(
                "section {} has another symbol table",
                name.unwrap_or_default()
            );
            return Err(LinkError::Elf { problem });
        }
        // tables may share bytes
        sum += size_of_val(rela);
        if sum > file.len() {
            let problem = "its tables of relocations overlap".to_owned();
            return Err(LinkError::Elf { problem });
        }
        target.relocations.push(rela);
    }
    Ok(())
}

/// `name`, counted to the length of all names.
fn counted<'a>(name: &'a [u8], names: &mut usize) -> Result<&'a [u8], LinkError> {
    *names = names.saturating_add(name.len());
    match *names > MAX_NAMES {
        true => Err(LinkError::Names { max: MAX_NAMES }),
        false => Ok(name),
    }
}

fn damaged(error: ::object::read::Error) -> LinkError {
    LinkError::Elf {
        problem: error.to_string(),
    }
}
