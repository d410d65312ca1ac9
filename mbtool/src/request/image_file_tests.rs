use super::*;
use crate::image::error::{ImageErrorReason, LinuxImageError};
use crate::image::synth::{
    self, ElfBuilder, HeaderBuilder, SynthSegment, mb1_flat, mb1_header, mb1_program, pvh_kernel,
    xen_note,
};
use crate::image::{As, FileKind, Image};
use crate::request::files;
use crate::request::{BootOptions, ModuleKind, ModuleSpec};
use proptest::prelude::*;
use std::cell::Cell;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Length of a vmlinux with debug information, in bytes.
const LARGE: u64 = 1_200_000_000;
/// Where its segments are moved to.
const FAR: u64 = 1 << 30;

/// Counts the bytes that are read.
struct Counted<'a, R> {
    reader: R,
    bytes: &'a Cell<u64>,
}

impl<R: ReadRange> ReadRange for Counted<'_, R> {
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.bytes.set(self.bytes.get() + bytes.len() as u64);
        self.reader.read_exact_at(bytes, at)
    }
}

impl ReadRange for &[u8] {
    fn read_exact_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let at = at as usize;
        bytes.copy_from_slice(&self[at..at + bytes.len()]);
        Ok(())
    }
}

/// What is read of `file`; `None` for all of it.
fn parts(file: &[u8]) -> Option<Vec<u8>> {
    let regular = RegularFile::new("file".into(), file, file.len() as u64);
    let opened = ImageFile::of(regular).unwrap()?;
    Some(opened.read(None).unwrap())
}

/// All that is known of a file.
fn known(file: &[u8]) -> Vec<String> {
    let types = [As::Auto, As::Multiboot2, As::Linux];
    let parsed = types.map(|kind| format!("{:?}", Image::parse_as(file, "file", kind)));
    let mut known = parsed.to_vec();
    known.push(format!("{:?}", FileKind::of(file)));
    known.push(format!("{:?}", xen_shim::recognize(file)));
    known
}

/// Fields of an ELF header that differ between the classes.
struct Fields {
    wide: bool,
}

impl Fields {
    fn of(file: &[u8]) -> Self {
        Self { wide: file[4] == 2 }
    }

    fn get(&self, file: &[u8], at: usize) -> u64 {
        let width = if self.wide { 8 } else { 4 };
        let mut word = [0; 8];
        word[..width].copy_from_slice(&file[at..at + width]);
        u64::from_le_bytes(word)
    }

    fn set(&self, file: &mut [u8], at: usize, value: u64) {
        let width = if self.wide { 8 } else { 4 };
        file[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
    }

    /// `e_shoff`.
    fn sections(&self) -> usize {
        if self.wide { 0x28 } else { 0x20 }
    }

    /// `p_offset` of a program header.
    fn offset(&self, index: usize) -> usize {
        if self.wide {
            64 + 56 * index + 8
        } else {
            52 + 32 * index + 4
        }
    }
}

/// Writes `file` as a large one: program headers from `first` on name bytes behind [`FAR`], and the section headers are at
/// the end.
fn spread(dir: &Path, file: &[u8], first: usize, count: usize) -> PathBuf {
    let fields = Fields::of(file);
    let mut start = file.to_vec();
    for index in first..count {
        let at = fields.offset(index);
        let offset = fields.get(file, at);
        fields.set(&mut start, at, FAR + offset);
    }
    let sections = fields.get(file, fields.sections());
    if sections != 0 {
        let at = LARGE - (file.len() as u64 - sections);
        fields.set(&mut start, fields.sections(), at);
    }
    let moved = fields.get(file, fields.offset(first)) as usize;
    start[moved..].fill(0xee);
    let path = dir.join("vmlinux");
    let out = File::create(&path).unwrap();
    out.set_len(LARGE).unwrap();
    out.write_all_at(&start, 0).unwrap();
    out.write_all_at(&file[moved..], FAR + moved as u64)
        .unwrap();
    if sections != 0 {
        let table = &file[sections as usize..];
        out.write_all_at(table, LARGE - table.len() as u64).unwrap();
    }
    path
}

fn vmlinux(tags: Option<&[(u64, u64)]>) -> ElfBuilder {
    ElfBuilder {
        sections: 9,
        ..synth::vmlinux_riscv64(tags)
    }
}

#[test]
fn of_a_large_file_only_headers_and_segments_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut built = vmlinux(Some(&[(8, 24)]));
    built = built.segment(SynthSegment {
        data: xen_note(18, &[0; 4]),
        align: 4,
        kind: 4,
        ..SynthSegment::default()
    });
    let notes = built.segments[3].data.len() as u64;
    let small = built.build();
    let path = spread(dir.path(), &small, 0, 4);
    let bytes = Cell::new(0);
    let reader = Counted {
        reader: File::open(&path).unwrap(),
        bytes: &bytes,
    };
    let opened = ImageFile::of(RegularFile::new("vmlinux".into(), reader, LARGE));
    let opened = opened.unwrap().unwrap();
    let table = 4 * 56;
    assert_eq!(bytes.get(), START + table);
    let read = opened.read(None).unwrap();
    let dynamic = 2 * 16;
    assert_eq!(
        bytes.get(),
        START + table + START + 0x3000 + 0x800 + dynamic + notes
    );
    // four pages of the first segment: it does not begin at one
    assert!(
        opened.memory() <= START + 4 * 4096 + 4 * 4096,
        "{}",
        opened.memory()
    );
    assert_eq!(read.len() as u64, LARGE);
    let image = |bytes: &[u8]| format!("{:?}", Image::parse_as(bytes, "vmlinux", As::Auto));
    assert_eq!(image(&read), image(&small));
    assert!(image(&read).contains("DtLinux"));

    // what the commands call
    let (through, layers) = files::read_image(&path).unwrap();
    assert_eq!((through.len() as u64, layers), (LARGE, vec![]));
    assert_eq!(image(&through), image(&small));
    let mut options = BootOptions::new(path);
    assert_eq!(files::sizes(&options), opened.memory());
    let module = dir.path().join("module");
    std::fs::write(&module, [0; 100]).unwrap();
    options.modules = vec![ModuleSpec {
        path: module,
        args: String::new(),
        kind: ModuleKind::Module,
    }];
    assert_eq!(files::sizes(&options), opened.memory() + 100);
}

#[test]
fn a_relocatable_kernel_without_relocations_is_refused_also_if_it_is_large() {
    let dir = tempfile::tempdir().unwrap();
    let reason = |tags: &[(u64, u64)]| {
        let path = spread(dir.path(), &vmlinux(Some(tags)).build(), 0, 3);
        let (bytes, _) = files::read_image(&path).unwrap();
        let parsed = Image::parse_as(&bytes, "vmlinux", As::Auto);
        parsed.err().map(|error| error.reason)
    };
    let missing = Some(ImageErrorReason::Linux(LinuxImageError::NoRelocations));
    assert_eq!(reason(&[]), missing);
    assert_eq!(reason(&[(8, 0)]), missing);
    assert_eq!(reason(&[(8, 24)]), None);
}

#[test]
fn every_kind_of_elf_image_is_laid_out_as_if_it_were_small() {
    let dir = tempfile::tempdir().unwrap();
    // section headers that are not zeros
    let marked = |mut file: Vec<u8>| {
        let fields = Fields::of(&file);
        let at = fields.get(&file, fields.sections()) as usize;
        file[at..].fill(0x5a);
        file
    };
    let linux = |mut file: ElfBuilder| {
        file.machine = 62;
        marked(file.build())
    };
    let code = synth::program(HeaderBuilder::new(), 0x400);
    let multiboot2 = ElfBuilder::elf32(0x10_0000)
        .load(0x10_0000, code, 0x1000)
        .load(0x20_0000, vec![3; 0x777], 0x4000);
    let code = mb1_program(0, &mb1_header(3, &[]), 0x400);
    let multiboot1 = ElfBuilder::elf64(0x10_0040)
        .load(0x10_0000, code, 0x1000)
        .load(0x20_0000, vec![3; 0x777], 0x4000);
    let pvh = pvh_kernel(&[xen_note(18, &0x100_0000_u32.to_le_bytes())]);
    let pie = synth::pie(HeaderBuilder::new(), &[8, 16]);
    let sections = |mut file: ElfBuilder| {
        file.sections = 3;
        marked(file.build())
    };
    let pvh_count = usize::from(pvh[if pvh[4] == 2 { 56 } else { 44 }]);
    for (name, small, first, count) in [
        ("vmlinux", linux(vmlinux(None)), 0, 2),
        ("multiboot2", sections(multiboot2), 1, 2),
        ("multiboot1", sections(multiboot1), 1, 2),
        ("pvh", pvh, 0, pvh_count),
    ] {
        let path = spread(dir.path(), &small, first, count);
        assert!(ImageFile::open(&path).unwrap().is_some(), "{name}");
        let (bytes, _) = files::read_image(&path).unwrap();
        let image = Image::parse_as(&bytes, name, As::Auto).unwrap();
        let expected = Image::parse_as(&small, name, As::Auto).unwrap();
        assert_eq!(format!("{image:?}"), format!("{expected:?}"), "{name}");
    }
    assert_eq!(parts(&pie), Some(pie));
}

#[test]
fn files_that_are_placed_by_addresses_and_objects_are_read_whole() {
    let mut object = ElfBuilder::elf64(0).build();
    object[16] = 1;
    let mut big_endian = vmlinux(None).build();
    big_endian[5] = 2;
    let mut no_table = vmlinux(None).build();
    no_table[56..58].fill(0);
    let mut outside = vmlinux(None).build();
    outside[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
    let fields = [0x10_0000, 0x10_0000, 0, 0, 0x10_0000];
    let flat1 = mb1_program(0, &mb1_header(0x1_0000, &fields), 0x400);
    let flat2 = synth::program(
        HeaderBuilder::new().address(0x10_0000, 0x10_0000, 0, 0),
        0x400,
    );
    let elf = |code| ElfBuilder::elf32(0x10_0000).load(0x10_0000, code, 0x1000);
    for (name, file) in [
        ("object", object),
        ("big endian", big_endian),
        ("no program headers", no_table),
        ("program headers outside", outside),
        ("address fields", elf(flat1).build()),
        ("address tag", elf(flat2).build()),
        ("no ELF", mb1_flat(0x10_0000)),
        ("bzImage", synth::bzimage()),
        ("a few bytes", b"\x7fELF".to_vec()),
    ] {
        assert_eq!(parts(&file), None, "{name}");
    }
}

#[test]
fn of_a_dump_only_the_start_is_read() {
    let mut core = vmlinux(None);
    core.kind = 4;
    core.machine = 62;
    let mut file = core.build();
    file.resize(3 << 20, 0xaa);
    file[0x2000..0x200a].copy_from_slice(b"VMCOREINFO");
    let read = parts(&file).unwrap();
    assert_eq!(read[..START as usize], file[..START as usize]);
    assert!(read[START as usize..].iter().all(|byte| *byte == 0));
    assert_eq!(known(&read), known(&file));
    assert_eq!(FileKind::of(&read).name(), "vmcore");
}

/// As many program headers as there can be, each for the whole file.
#[test]
fn overlapping_segments_are_read_once() {
    let count = 65534;
    let mut file = ElfBuilder::elf64(0).build();
    file[56..58].copy_from_slice(&(count as u16).to_le_bytes());
    let mut header = [0; 56];
    header[0] = 1;
    header[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
    for index in 0..count {
        header[8..16].copy_from_slice(&(index as u64).to_le_bytes());
        file.extend(header);
    }
    let started = Instant::now();
    let bytes = Cell::new(0);
    let reader = Counted {
        reader: &file[..],
        bytes: &bytes,
    };
    let len = file.len() as u64;
    let opened = ImageFile::of(RegularFile::new("file".into(), reader, len));
    let opened = opened.unwrap().unwrap();
    assert_eq!(opened.read(None).unwrap(), file);
    assert_eq!(bytes.get(), START + 56 * count as u64 + len);
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// An ELF file larger than what is always read.
fn large(wide: bool) -> Vec<u8> {
    let code = synth::program(HeaderBuilder::new(), 0x400);
    let mut file = if wide {
        ElfBuilder::elf64(0x10_0000)
    } else {
        ElfBuilder::elf32(0x10_0000)
    };
    file = file
        .load(0x10_0000, code, 0x1000)
        .load(0x20_0000, vec![3; 0x10_0000], 0x30_0000)
        .load(0x60_0000, vec![4; 0x800], 0x1000)
        .segment(SynthSegment {
            kind: 4,
            align: 4,
            data: xen_note(18, &0x10_0000_u32.to_le_bytes()),
            ..SynthSegment::default()
        });
    file.sections = 5;
    let mut bytes = file.build();
    bytes.extend(vec![0xdd; 0x2_0000]);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn damaged_headers_give_the_same_result(
        wide: bool,
        changes in prop::collection::vec((0_usize..64 + 4 * 56, any::<u8>()), 0..4),
        words in prop::collection::vec((0_usize..(64 + 4 * 56) / 4, any::<u32>()), 0..2),
        cut in prop::option::of(0_usize..0x13_0000),
    ) {
        let mut file = large(wide);
        for (at, byte) in changes {
            file[at] = byte;
        }
        for (at, word) in words {
            file[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
        }
        if let Some(cut) = cut {
            file.truncate(cut.max(1));
        }
        if let Some(read) = parts(&file) {
            prop_assert_eq!(read.len(), file.len());
            prop_assert_eq!(known(&read), known(&file));
        }
    }
}

#[test]
fn the_memory_that_is_available_counts_for_the_parts() {
    let file = large(true);
    let regular = RegularFile::new("vmlinux".into(), &file[..], file.len() as u64);
    let opened = ImageFile::of(regular).unwrap().unwrap();
    let needed = opened.memory();
    assert!(needed < file.len() as u64);
    assert!(opened.read(Some(needed)).is_ok());
    let Err(InputError::TooLittleMemory { size, .. }) = opened.read(Some(needed - 1)) else {
        panic!("not refused")
    };
    assert_eq!(size, Some(needed));
}
