//! Builds ELF files from program headers and bytes.

/// One program header and its contents.
#[derive(Clone, Debug, Default)]
pub struct SynthSegment {
    /// `p_type`: 1 `PT_LOAD`, 2 `PT_DYNAMIC`, 3 `PT_INTERP`, 4 `PT_NOTE`.
    pub kind: u32,
    /// `p_vaddr`.
    pub vaddr: u64,
    /// `p_paddr`.
    pub paddr: u64,
    /// `p_memsz`; the larger of it and the bytes' length is written.
    pub memsz: u64,
    /// `p_align`.
    pub align: u64,
    /// File bytes. Taken from another segment if `within` is set.
    pub data: Vec<u8>,
    /// Index of a segment, and offset in it, that hold the file bytes; no bytes
    /// are written for this segment.
    pub within: Option<(usize, u64)>,
    /// Overrides `p_filesz`.
    pub filesz: Option<u64>,
    /// Overrides `p_offset`.
    pub offset: Option<u64>,
}

impl SynthSegment {
    /// A `PT_LOAD` with equal virtual and physical addresses.
    #[must_use]
    pub fn load(addr: u64, data: Vec<u8>, memsz: u64) -> Self {
        Self {
            kind: 1,
            vaddr: addr,
            paddr: addr,
            memsz,
            align: 0x1000,
            data,
            ..Self::default()
        }
    }
}

/// Builds an ELF file: header, program headers, each segment's bytes at a
/// multiple of 8, section headers.
#[derive(Clone, Debug)]
pub struct ElfBuilder {
    /// True for ELF64, false for ELF32.
    pub wide: bool,
    /// `e_type`: 2 `ET_EXEC`, 3 `ET_DYN`.
    pub kind: u16,
    /// `e_machine`: 3 i386, 62 x86-64.
    pub machine: u16,
    /// `EI_DATA`: 1 little endian.
    pub data: u8,
    /// `e_entry`.
    pub entry: u64,
    /// Program headers in table order.
    pub segments: Vec<SynthSegment>,
    /// Number of all-zero section headers to append.
    pub sections: u16,
}

impl ElfBuilder {
    /// Creates an i386 ELF32 `ET_EXEC` without segments.
    #[must_use]
    pub const fn elf32(entry: u64) -> Self {
        Self {
            wide: false,
            kind: 2,
            machine: 3,
            data: 1,
            entry,
            segments: vec![],
            sections: 0,
        }
    }

    /// Creates an x86-64 ELF64 `ET_EXEC` without segments.
    #[must_use]
    pub const fn elf64(entry: u64) -> Self {
        Self {
            wide: true,
            kind: 2,
            machine: 62,
            data: 1,
            entry,
            segments: vec![],
            sections: 0,
        }
    }

    /// Sets the type to `ET_DYN`.
    #[must_use]
    pub const fn dynamic(mut self) -> Self {
        self.kind = 3;
        self
    }

    /// Appends a segment.
    #[must_use]
    pub fn segment(mut self, segment: SynthSegment) -> Self {
        self.segments.push(segment);
        self
    }

    /// Appends a `PT_LOAD` at `addr`.
    #[must_use]
    pub fn load(self, addr: u64, data: Vec<u8>, memsz: u64) -> Self {
        self.segment(SynthSegment::load(addr, data, memsz))
    }

    const fn sizes(&self) -> (usize, usize, usize) {
        if self.wide {
            (64, 56, 64)
        } else {
            (52, 32, 40)
        }
    }

    /// Appends an address-sized word.
    fn word(&self, bytes: &mut Vec<u8>, value: u64) {
        if self.wide {
            bytes.extend(value.to_le_bytes());
        } else {
            bytes.extend((value as u32).to_le_bytes());
        }
    }

    /// Returns the bytes of the file.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let (ehsize, phsize, shsize) = self.sizes();
        let mut body = Vec::new();
        let start = (ehsize + phsize * self.segments.len()).next_multiple_of(8);
        let mut offsets: Vec<u64> = Vec::new();
        for segment in &self.segments {
            body.resize(body.len().next_multiple_of(8), 0);
            let own = (start + body.len()) as u64;
            let at = segment
                .within
                .map(|(index, offset)| offsets[index] + offset);
            offsets.push(segment.offset.or(at).unwrap_or(own));
            if segment.within.is_none() {
                body.extend(&segment.data);
            }
        }
        body.resize(body.len().next_multiple_of(8), 0);
        let shoff = if self.sections == 0 {
            0
        } else {
            (start + body.len()) as u64
        };
        let mut bytes = b"\x7fELF".to_vec();
        bytes.extend([if self.wide { 2 } else { 1 }, self.data, 1, 0]);
        bytes.extend([0; 8]);
        bytes.extend(self.kind.to_le_bytes());
        bytes.extend(self.machine.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        self.word(&mut bytes, self.entry);
        self.word(&mut bytes, ehsize as u64);
        self.word(&mut bytes, shoff);
        bytes.extend(0_u32.to_le_bytes());
        let count = self.segments.len() as u16;
        for value in [
            ehsize as u16,
            phsize as u16,
            count,
            shsize as u16,
            self.sections,
            0,
        ] {
            bytes.extend(value.to_le_bytes());
        }
        for (segment, offset) in self.segments.iter().zip(&offsets) {
            self.program_header(&mut bytes, segment, *offset);
        }
        bytes.resize(start, 0);
        bytes.extend(body);
        bytes.resize(bytes.len() + shsize * usize::from(self.sections), 0);
        bytes
    }

    fn program_header(&self, bytes: &mut Vec<u8>, segment: &SynthSegment, offset: u64) {
        let filesz = segment.filesz.unwrap_or(segment.data.len() as u64);
        let memsz = segment.memsz.max(segment.data.len() as u64);
        bytes.extend(segment.kind.to_le_bytes());
        if self.wide {
            bytes.extend(7_u32.to_le_bytes());
        }
        for value in [offset, segment.vaddr, segment.paddr, filesz, memsz] {
            self.word(bytes, value);
        }
        if !self.wide {
            bytes.extend(7_u32.to_le_bytes());
        }
        self.word(bytes, segment.align);
    }
}

/// Xen's notes of a kernel: type and value of each.
#[must_use]
pub fn dom0_notes(notes: &[(u32, u64)]) -> SynthSegment {
    let mut data = Vec::new();
    for (kind, value) in notes {
        for word in [4, 8, *kind] {
            data.extend(word.to_le_bytes());
        }
        data.extend(b"Xen\0");
        data.extend(value.to_le_bytes());
    }
    SynthSegment {
        kind: 4,
        align: 4,
        data,
        ..SynthSegment::default()
    }
}

/// A kernel with the notes of a current dom0 kernel that occupies the memory from
/// `start` to `end`.
#[must_use]
pub fn dom0_kernel(start: u64, end: u64) -> Vec<u8> {
    // entry, unmapped p2m list, unmapped initrd, features
    let notes = [(1, start), (15, 1), (16, 1), (17, 1 << 11)];
    ElfBuilder::elf64(start)
        .load(start, vec![1; 64], end - start)
        .segment(dom0_notes(&notes))
        .build()
}
