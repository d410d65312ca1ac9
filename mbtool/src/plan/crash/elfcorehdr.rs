//! The ELF core header: a file without contents, whose "file offsets"
//! are physical addresses (Linux, fs/proc/vmcore.c). ELF64; ELF32 for 32-bit ARM, whose kernel accepts no other class
//! (asm/elf.h, `vmcore_elf64_check_arch`).
//!
//! The crash kernel merges the notes into one, and makes each `PT_LOAD` a part
//! of /proc/vmcore.

use super::dump_ranges::{self, Backup, DumpRange};
use crate::arch::Architecture;
use crate::host::RawRange;
use crate::host::crash_notes::{CrashInfo, Text};
use elf::abi;
use handoff::addr::{FOUR_GIB, PhysRange};

/// Sizes of the headers of a class.
#[derive(Clone, Copy)]
struct Layout {
    class: u8,
    /// Size of the file header in bytes.
    file: u64,
    /// Size of a program header in bytes.
    program: u64,
}

impl Layout {
    const ELF64: Self = Self {
        class: abi::ELFCLASS64,
        file: 64,
        program: 56,
    };
    const ELF32: Self = Self {
        class: abi::ELFCLASS32,
        file: 52,
        program: 32,
    };

    const fn of(arch: Architecture) -> Self {
        match arch {
            Architecture::Arm => Self::ELF32,
            Architecture::X86_64 | Architecture::Riscv64 | Architecture::Arm64 => Self::ELF64,
        }
    }

    /// True where a header can have these addresses.
    fn has(self, range: PhysRange) -> bool {
        self.class == abi::ELFCLASS64 || range.end <= FOUR_GIB
    }

    /// The facts without notes and text that a header cannot have.
    fn possible(self, facts: &CrashInfo) -> CrashInfo {
        let mut facts = facts.clone();
        let fits = |note: &RawRange| self.class == abi::ELFCLASS64 || note.end <= FOUR_GIB;
        facts.cpu_notes.retain(fits);
        facts.vmcoreinfo = facts.vmcoreinfo.filter(fits);
        facts.xen_vmcoreinfo = facts.xen_vmcoreinfo.filter(fits);
        let end = |text: &Text| text.phys.saturating_add(text.len);
        let has = |text: &Text| self.class == abi::ELFCLASS64 || end(text) <= FOUR_GIB;
        facts.text = facts.text.filter(has);
        facts
    }

    /// Appends an address or an offset.
    fn word(self, bytes: &mut Vec<u8>, word: u64) {
        let all = word.to_le_bytes();
        let used = if self.class == abi::ELFCLASS64 { 8 } else { 4 };
        bytes.extend(&all[..used]);
    }

    /// Appends a program header: type and flags; offset, virtual and physical
    /// address, size in the file and in memory.
    fn header(self, bytes: &mut Vec<u8>, (kind, flags): (u32, u32), words: [u64; 5]) {
        bytes.extend(kind.to_le_bytes());
        if self.class == abi::ELFCLASS64 {
            bytes.extend(flags.to_le_bytes());
        }
        for word in words {
            self.word(bytes, word);
        }
        if self.class == abi::ELFCLASS32 {
            bytes.extend(flags.to_le_bytes());
        }
        // no alignment: memory ranges may start at any address
        self.word(bytes, 0);
    }
}

/// More memory ranges and CPUs than an ELF header can list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a dump of {count} CPUs and memory ranges needs more program headers than ELF allows, {}",
    abi::PN_XNUM - 1
)]
pub struct TooMany {
    /// Number of program headers needed.
    pub count: usize,
}

/// Returns the size of an ELF64 header with this number of loads, which is known
/// before placement.
///
/// # Errors
///
/// When there are more than an ELF header can list.
pub fn len(facts: &CrashInfo, loads: usize, backups: &[Backup]) -> Result<u64, TooMany> {
    size(Layout::ELF64, facts, loads, backups)
}

fn size(
    layout: Layout,
    facts: &CrashInfo,
    loads: usize,
    backups: &[Backup],
) -> Result<u64, TooMany> {
    let count = notes(facts).count() + loads + text(facts, backups).len();
    if count >= usize::from(abi::PN_XNUM) {
        return Err(TooMany { count });
    }
    Ok(layout.file + count as u64 * layout.program)
}

/// Returns all notes: those of the CPUs, then VMCOREINFO.
fn notes(facts: &CrashInfo) -> impl Iterator<Item = RawRange> + '_ {
    let all = facts.cpu_notes.iter().copied();
    all.chain(facts.vmcoreinfo).chain(facts.xen_vmcoreinfo)
}

/// Returns physical range and virtual address of each piece of the kernel's
/// code and data.
fn text(facts: &CrashInfo, backups: &[Backup]) -> Vec<(PhysRange, u64)> {
    let Some((text, range)) = facts
        .text
        .and_then(|text| Some((text, PhysRange::from_len(text.phys, text.len)?)))
    else {
        return Vec::new();
    };
    let virt = |piece: PhysRange| text.virt.wrapping_add(piece.start - range.start);
    let pieces = dump_ranges::cut(range, backups).into_iter();
    pieces.map(|piece| (piece, virt(piece))).collect()
}

/// Builds the header. Notes in backed-up memory are referenced in the backup.
///
/// Virtual addresses are those of the crashed kernel. makedumpfile takes the
/// start of the direct map from the last `PT_LOAD` that is not the kernel's
/// own; `crash` takes the location of the kernel from the one that is. That one
/// comes first, as with kexec-tools. If they are unknown, `p_vaddr` is 0 and
/// tools use VMCOREINFO.
///
/// # Errors
///
/// When there are more ranges than an ELF header can list.
pub fn build(
    arch: Architecture,
    facts: &CrashInfo,
    loads: &[DumpRange],
    backups: &[Backup],
) -> Result<Vec<u8>, TooMany> {
    let layout = Layout::of(arch);
    // what lies from 4 GiB on cannot be in an ELF32 file
    let facts = &layout.possible(facts);
    let loads: Vec<&DumpRange> = loads
        .iter()
        .filter(|load| layout.has(load.memory))
        .collect();
    let total = size(layout, facts, loads.len(), backups)?;
    let mut bytes = Vec::with_capacity(total as usize);
    bytes.extend(abi::ELFMAGIC);
    bytes.extend([layout.class, abi::ELFDATA2LSB, abi::EV_CURRENT, 0]);
    bytes.resize(abi::EI_NIDENT, 0);
    for half in [abi::ET_CORE, arch.elf_machine()] {
        bytes.extend(half.to_le_bytes());
    }
    bytes.extend(u32::from(abi::EV_CURRENT).to_le_bytes());
    // e_entry, e_phoff, e_shoff
    for word in [0, layout.file, 0] {
        layout.word(&mut bytes, word);
    }
    // e_flags
    bytes.extend(0_u32.to_le_bytes());
    let count = (total - layout.file) / layout.program;
    // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
    for half in [layout.file, layout.program, count, 0, 0, 0] {
        bytes.extend((half as u16).to_le_bytes());
    }
    for note in notes(facts) {
        let (at, size) = (
            dump_ranges::moved(backups, note.start),
            note.end - note.start,
        );
        layout.header(&mut bytes, (abi::PT_NOTE, 0), [at, 0, at, size, size]);
    }
    let rwx = abi::PF_R | abi::PF_W | abi::PF_X;
    for (piece, virt) in text(facts, backups) {
        let at = dump_ranges::moved(backups, piece.start);
        let words = [at, virt, piece.start, piece.len(), piece.len()];
        layout.header(&mut bytes, (abi::PT_LOAD, rwx), words);
    }
    for load in loads {
        let (start, size) = (load.memory.start, load.memory.len());
        let virt = facts.direct_map.map_or(0, |base| base.wrapping_add(start));
        layout.header(
            &mut bytes,
            (abi::PT_LOAD, rwx),
            [load.at, virt, start, size, size],
        );
    }
    debug_assert_eq!(bytes.len() as u64, total);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::LOW;
    use super::*;
    use elf::ElfBytes;
    use elf::endian::LittleEndian;

    fn facts() -> CrashInfo {
        let note = |start| RawRange {
            start,
            end: start + 372,
        };
        CrashInfo {
            cpu_notes: vec![note(0x7d1e_5b00), note(0x9_0000)],
            vmcoreinfo: Some(RawRange {
                start: 0x188_6000,
                end: 0x188_7024,
            }),
            xen_vmcoreinfo: None,
            text: Some(Text {
                virt: 0xffff_ffff_8100_0000,
                phys: 0x100_0000,
                len: 0x200_0000,
            }),
            direct_map: Some(0xffff_8880_0000_0000),
            warnings: Vec::new(),
        }
    }

    fn load(start: u64, end: u64, at: u64) -> DumpRange {
        let memory = PhysRange { start, end };
        DumpRange { memory, at }
    }

    #[test]
    fn for_32_bit_arm_it_is_elf32_without_what_is_above_4_gib() {
        let facts = CrashInfo {
            text: None,
            direct_map: Some(0xc000_0000_u64.wrapping_sub(0x4000_0000)),
            ..facts()
        };
        let low = load(0x4000_0000, 0x7000_0000, 0x4000_0000);
        let high = load(0x1_0000_0000, 0x1_4000_0000, 0x1_0000_0000);
        let mut facts = facts;
        facts.cpu_notes.push(RawRange {
            start: 0x2_0000_0000,
            end: 0x2_0000_0100,
        });
        let bytes = build(Architecture::Arm, &facts, &[low, high], &[]).unwrap();
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).unwrap();
        assert_eq!(file.ehdr.class, elf::file::Class::ELF32);
        assert_eq!(
            (file.ehdr.e_machine, file.ehdr.e_type),
            (abi::EM_ARM, abi::ET_CORE)
        );
        let headers: Vec<_> = file.segments().unwrap().iter().collect();
        let notes = headers
            .iter()
            .filter(|header| header.p_type == abi::PT_NOTE);
        assert_eq!(notes.count(), 3);
        let loads: Vec<_> = headers
            .iter()
            .filter(|header| header.p_type == abi::PT_LOAD)
            .collect();
        assert_eq!(loads.len(), 1);
        let found = [
            loads[0].p_offset,
            loads[0].p_vaddr,
            loads[0].p_paddr,
            loads[0].p_memsz,
        ];
        assert_eq!(found, [0x4000_0000, 0xc000_0000, 0x4000_0000, 0x3000_0000]);
        assert_eq!(loads[0].p_flags, 7);
    }

    #[test]
    fn a_reader_finds_notes_text_and_memory() {
        let backup = Backup {
            from: LOW,
            to: 0x3ff0_0000,
        };
        let loads = [
            load(0x1000, 0x9_fc00, 0x3ff0_0000),
            load(0x10_0000, 0x2000_0000, 0x10_0000),
        ];
        let bytes = build(Architecture::X86_64, &facts(), &loads, &[backup]).unwrap();
        assert_eq!(bytes.len() as u64, len(&facts(), 2, &[]).unwrap());
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).unwrap();
        assert_eq!(file.ehdr.e_type, abi::ET_CORE);
        assert_eq!(file.ehdr.e_machine, abi::EM_X86_64);
        let found: Vec<_> = file.segments().unwrap().iter().collect();
        let of = |kind| found.iter().filter(move |header| header.p_type == kind);
        let notes: Vec<_> = of(abi::PT_NOTE)
            .map(|note| (note.p_offset, note.p_filesz))
            .collect();
        // the second CPU's note is in backed-up memory
        let copied = 0x3ff0_0000 + 0x8_f000;
        assert_eq!(
            notes,
            [(0x7d1e_5b00, 372), (copied, 372), (0x188_6000, 0x1024)]
        );
        let loads: Vec<_> = of(abi::PT_LOAD)
            .map(|load| (load.p_vaddr, load.p_paddr, load.p_offset, load.p_memsz))
            .collect();
        assert_eq!(
            loads,
            [
                (0xffff_ffff_8100_0000, 0x100_0000, 0x100_0000, 0x200_0000),
                (0xffff_8880_0000_1000, 0x1000, 0x3ff0_0000, 0x9_ec00),
                (0xffff_8880_0010_0000, 0x10_0000, 0x10_0000, 0x1ff0_0000),
            ]
        );
        assert!(found.iter().all(|header| header.p_filesz == header.p_memsz));
    }

    #[test]
    fn partially_backed_up_code_is_two_loads() {
        let from = PhysRange {
            start: 0x100_0000,
            end: 0x280_0000,
        };
        let backup = Backup {
            from,
            to: 0x5000_0000,
        };
        let bytes = build(Architecture::X86_64, &facts(), &[], &[backup]).unwrap();
        assert_eq!(bytes.len() as u64, len(&facts(), 0, &[backup]).unwrap());
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).unwrap();
        let all = file.segments().unwrap();
        let found: Vec<_> = all
            .iter()
            .map(|load| (load.p_vaddr, load.p_paddr, load.p_offset, load.p_memsz))
            .collect();
        assert_eq!(
            found[3..],
            [
                (0xffff_ffff_8100_0000, 0x100_0000, 0x5000_0000, 0x180_0000),
                (0xffff_ffff_8280_0000, 0x280_0000, 0x280_0000, 0x80_0000),
            ]
        );
        // VMCOREINFO is in the backup
        assert_eq!(found[2].2, 0x5000_0000 + 0x88_6000);
    }

    #[test]
    fn without_virtual_addresses_they_are_zero() {
        let facts = CrashInfo {
            text: None,
            direct_map: None,
            ..facts()
        };
        let bytes = build(
            Architecture::X86_64,
            &facts,
            &[load(0x10_0000, 0x20_0000, 0x10_0000)],
            &[],
        )
        .unwrap();
        let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).unwrap();
        let last = file.segments().unwrap().iter().last().unwrap();
        assert_eq!((last.p_vaddr, last.p_paddr), (0, 0x10_0000));
        // no backup: the note keeps its address
        let second = file.segments().unwrap().get(1).unwrap();
        assert_eq!(second.p_offset, 0x9_0000);
    }

    #[test]
    fn more_ranges_than_an_elf_header_can_list_are_refused() {
        assert!(len(&facts(), 65534 - 4, &[]).is_ok());
        let err = len(&facts(), 65535 - 4, &[]).unwrap_err();
        assert_eq!(err.count, 65535);
    }
}
