//! Minimal ELF64 parser to check the linker's output. Invalid input panics,
//! which fails the build.

/// Program header type of a loaded part.
const PT_LOAD: u32 = 1;
/// Section type of relocations with addends.
const SHT_RELA: u32 = 4;
/// Section type of symbols.
const SHT_SYMTAB: u32 = 2;

/// A linked image.
pub struct Elf {
    /// The file.
    pub bytes: Vec<u8>,
}

/// A `PT_LOAD` program header; addresses and sizes in bytes.
#[derive(Debug)]
pub struct Load {
    pub offset: u64,
    pub vaddr: u64,
    pub paddr: u64,
    pub filesz: u64,
    pub memsz: u64,
}

/// A section.
pub struct Section {
    pub name: String,
    pub kind: u32,
    pub address: u64,
    pub offset: u64,
    pub size: u64,
}

impl Elf {
    /// `e_entry`.
    pub fn entry(&self) -> u64 {
        self.u64(24)
    }

    /// The loaded parts, in order.
    pub fn loads(&self) -> Vec<Load> {
        let (table, size, count) = (self.u64(32), self.u16(54), self.u16(56));
        (0..u64::from(count))
            .map(|i| table + i * u64::from(size))
            .filter(|&at| self.u32(at) == PT_LOAD)
            .map(|at| Load {
                offset: self.u64(at + 8),
                vaddr: self.u64(at + 16),
                paddr: self.u64(at + 24),
                filesz: self.u64(at + 32),
                memsz: self.u64(at + 40),
            })
            .collect()
    }

    /// All sections.
    pub fn sections(&self) -> Vec<Section> {
        let (table, size, count) = (self.u64(40), self.u16(58), self.u16(60));
        let header = |i: u64| table + i * u64::from(size);
        let names = self.u64(header(self.u16(62).into()) + 24);
        (0..u64::from(count))
            .map(|i| Section {
                name: self.name(names + u64::from(self.u32(header(i)))),
                kind: self.u32(header(i) + 4),
                address: self.u64(header(i) + 16),
                offset: self.u64(header(i) + 24),
                size: self.u64(header(i) + 32),
            })
            .collect()
    }

    /// The section of that name.
    pub fn section(&self, name: &str) -> Section {
        let mut sections = self.sections().into_iter();
        sections
            .find(|s| s.name == name)
            .unwrap_or_else(|| panic!("no section {name}"))
    }

    /// Value of a symbol.
    pub fn symbol(&self, name: &str) -> u64 {
        let symbols = self.sections().into_iter().find(|s| s.kind == SHT_SYMTAB);
        let symbols = symbols.expect("a symbol table");
        let names = self.section(".strtab").offset;
        (symbols.offset..symbols.offset + symbols.size)
            .step_by(24)
            .find(|&at| self.name(names + u64::from(self.u32(at))) == name)
            .map(|at| self.u64(at + 8))
            .unwrap_or_else(|| panic!("no symbol {name}"))
    }

    /// Every dynamic relocation: place and type.
    pub fn relocations(&self) -> Vec<(u64, u32)> {
        let tables = self.sections().into_iter().filter(|s| s.kind == SHT_RELA);
        tables
            .flat_map(|s| (s.offset..s.offset + s.size).step_by(24))
            .map(|at| (self.u64(at), self.u32(at + 8)))
            .collect()
    }

    /// File offset of a virtual address.
    pub fn offset_of(&self, vaddr: u64) -> u64 {
        let loads = self.loads();
        let load = loads
            .iter()
            .find(|l| vaddr >= l.vaddr && vaddr - l.vaddr < l.filesz);
        let load = load.unwrap_or_else(|| panic!("{vaddr:#x} is in no loaded part"));
        load.offset + (vaddr - load.vaddr)
    }

    /// Bytes of the file.
    pub fn slice(&self, offset: u64, len: u64) -> &[u8] {
        &self.bytes[offset as usize..(offset + len) as usize]
    }

    fn name(&self, offset: u64) -> String {
        let rest = &self.bytes[offset as usize..];
        let end = rest
            .iter()
            .position(|&byte| byte == 0)
            .expect("a terminated name");
        String::from_utf8_lossy(&rest[..end]).into_owned()
    }

    fn u16(&self, offset: u64) -> u16 {
        u16::from_le_bytes(self.slice(offset, 2).try_into().unwrap())
    }

    fn u32(&self, offset: u64) -> u32 {
        u32::from_le_bytes(self.slice(offset, 4).try_into().unwrap())
    }

    fn u64(&self, offset: u64) -> u64 {
        u64::from_le_bytes(self.slice(offset, 8).try_into().unwrap())
    }
}
