//! The program headers of an ELF core.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::{FileHeader, parse_ident};
use elf::parse::ParsingTable;
use elf::segment::ProgramHeader;

/// Bytes of a file header: of ELF64, and more than of ELF32.
const FILE_HEADER: usize = 64;

/// An open core.
pub struct Core {
    /// The file.
    pub file: File,
    /// Its program headers.
    pub headers: Vec<ProgramHeader>,
}

impl Core {
    /// Opens the core and reads only its headers: it may be larger than memory.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display().to_string();
        let file = File::open(path).context(shown.clone())?;
        let mut start = [0; FILE_HEADER];
        file.read_exact_at(&mut start, 0).context(shown.clone())?;
        let ident = parse_ident::<LittleEndian>(&start).context(shown.clone())?;
        let header = FileHeader::parse_tail(ident, &start[abi::EI_NIDENT..]).context(shown)?;
        ensure!(
            header.e_type == abi::ET_CORE,
            "{} is no ELF core",
            path.display()
        );
        let mut table = vec![0; usize::from(header.e_phnum) * usize::from(header.e_phentsize)];
        file.read_exact_at(&mut table, header.e_phoff)?;
        let headers = ParsingTable::new(header.endianness, header.class, &table)
            .iter()
            .collect();
        Ok(Self { file, headers })
    }

    /// The headers of one type.
    pub fn of_type(&self, kind: u32) -> impl Iterator<Item = &ProgramHeader> {
        self.headers
            .iter()
            .filter(move |header| header.p_type == kind)
    }
}
