//! Relocatable objects, field by field.

/// A section.
#[derive(Clone, Debug, Default)]
pub struct SectionOf {
    pub name: String,
    pub kind: u32,
    pub flags: u64,
    pub bytes: Vec<u8>,
    /// Size of one without bytes.
    pub size: u64,
    /// Takes the bytes of the first section.
    pub shared: bool,
    /// Number of relocations whose table is the bytes of the first section.
    pub shared_table: u64,
    pub align: u64,
    /// Offset, type, symbol, addend.
    pub relocations: Vec<(u64, u32, u32, i64)>,
}

pub const ALLOC: u64 = 2;
pub const WRITE: u64 = 1;
pub const EXEC: u64 = 4;

impl SectionOf {
    pub fn new(name: &str, flags: u64, bytes: &[u8]) -> Self {
        Self {
            name: name.to_owned(),
            kind: 1,
            flags: flags | ALLOC,
            bytes: bytes.to_vec(),
            align: 4,
            ..Self::default()
        }
    }

    pub fn code(bytes: &[u8]) -> Self {
        Self::new(".text", EXEC, bytes)
    }

    pub fn words(words: &[u32]) -> Self {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Self::code(&bytes)
    }

    pub fn data(bytes: &[u8]) -> Self {
        Self {
            align: 8,
            ..Self::new(".data", WRITE, bytes)
        }
    }

    pub fn zeros(size: u64) -> Self {
        Self {
            kind: 8,
            size,
            ..Self::new(".bss", WRITE, &[])
        }
    }

    pub fn reloc(mut self, offset: u64, kind: u32, symbol: u32, addend: i64) -> Self {
        self.relocations.push((offset, kind, symbol, addend));
        self
    }
}

/// A symbol: name, `st_info`, section, value, size.
#[derive(Clone, Debug)]
pub struct SymbolOf(pub &'static str, pub u8, pub u16, pub u64, pub u64);

/// An object; sections have the numbers from 1 on, as symbols do.
#[derive(Clone, Debug, Default)]
pub struct ObjectOf {
    pub sections: Vec<SectionOf>,
    pub symbols: Vec<SymbolOf>,
}

pub const GLOBAL: u8 = 0x10;
pub const WEAK: u8 = 0x20;
pub const SECTION: u8 = 3;

impl ObjectOf {
    /// One with the global symbol `start`, number 1, at the beginning of the first section.
    pub fn new(sections: &[SectionOf]) -> Self {
        Self {
            sections: sections.to_vec(),
            symbols: vec![SymbolOf("start", GLOBAL, 1, 0, 0)],
        }
    }

    /// Adds a local symbol at an offset of a section.
    pub fn label(self, section: u16, value: u64) -> Self {
        self.symbol(SymbolOf("label", 0, section, value, 0))
    }

    pub fn symbol(mut self, symbol: SymbolOf) -> Self {
        self.symbols.push(symbol);
        self
    }

    pub fn build(&self) -> Vec<u8> {
        let mut names = vec![0_u8];
        let mut name = |text: &str| {
            let at = names.len() as u32;
            names.extend(text.as_bytes());
            names.push(0);
            at
        };
        let mut symbols = vec![0_u8; 24];
        for SymbolOf(text, info, section, value, size) in &self.symbols {
            symbols.extend(name(text).to_le_bytes());
            symbols.extend([*info, 0]);
            symbols.extend(section.to_le_bytes());
            symbols.extend(value.to_le_bytes());
            symbols.extend(size.to_le_bytes());
        }
        let mut headers = vec![[0_u8; 64]];
        let mut body: Vec<u8> = Vec::new();
        let mut add = |name: u32, kind: u32, flags: u64, bytes: Option<&[u8]>, rest: [u64; 5]| {
            let [size, link, info, align, entsize] = rest;
            let mut header = Vec::new();
            header.extend(name.to_le_bytes());
            header.extend(kind.to_le_bytes());
            let at = 64 + bytes.map_or(0, |_| body.len() as u64);
            for value in [flags, 0, at, size] {
                header.extend(value.to_le_bytes());
            }
            header.extend((link as u32).to_le_bytes());
            header.extend((info as u32).to_le_bytes());
            header.extend(align.to_le_bytes());
            header.extend(entsize.to_le_bytes());
            headers.push(header.try_into().unwrap());
            body.extend(bytes.unwrap_or_default());
        };
        let count = self.sections.len() as u64;
        for section in &self.sections {
            let size = (section.bytes.len() as u64).max(section.size);
            let bytes = (!section.shared).then_some(&section.bytes[..]);
            let rest = [size, 0, 0, section.align, 0];
            add(
                name(&section.name),
                section.kind,
                section.flags,
                bytes,
                rest,
            );
        }
        let table = count + 1;
        let local = 1;
        let rest = [symbols.len() as u64, table + 1, local, 8, 24];
        add(name(".symtab"), 2, 0, Some(&symbols), rest);
        let strings = name(".strtab");
        let relas: Vec<_> = self
            .sections
            .iter()
            .zip(1_u64..)
            .filter(|(section, _)| !section.relocations.is_empty() || section.shared_table != 0)
            .map(|(section, number)| (name(&format!(".rela{}", section.name)), section, number))
            .collect();
        let rest = [names.len() as u64, 0, 0, 1, 0];
        add(strings, 3, 0, Some(&names), rest);
        for (name, section, number) in relas {
            let mut bytes = Vec::new();
            for (offset, kind, symbol, addend) in &section.relocations {
                bytes.extend(offset.to_le_bytes());
                bytes.extend((u64::from(*symbol) << 32 | u64::from(*kind)).to_le_bytes());
                bytes.extend(addend.to_le_bytes());
            }
            let (size, bytes) = match section.shared_table {
                0 => (bytes.len() as u64, Some(&bytes[..])),
                count => (24 * count, None),
            };
            add(name, 4, 0, bytes, [size, table, number, 8, 24]);
        }
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        for value in [1_u16, 243] {
            file.extend(value.to_le_bytes());
        }
        file.extend(1_u32.to_le_bytes());
        for value in [0, 0, 64 + body.len() as u64] {
            file.extend(value.to_le_bytes());
        }
        file.extend(5_u32.to_le_bytes());
        for value in [64, 0, 0, 64, headers.len() as u16, (table + 1) as u16] {
            file.extend(value.to_le_bytes());
        }
        file.extend(body);
        file.extend(headers.concat());
        file
    }
}
