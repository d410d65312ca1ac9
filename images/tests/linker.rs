//! mbtool's linker of relocatable objects, compared with rust-lld: objects of rustc and its assembler, linked by both to
//! the same addresses, have the same bytes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use elf::ElfBytes;
use elf::abi::{SHN_UNDEF, SHT_NOBITS, SHT_RELA};
use elf::endian::LittleEndian;
use images::cross::{Cross, CrossTarget};
use mbtool::image::linker::{LinkOptions, LinkedObject, LinkedSection, link};

/// Below 2 GiB, for code with absolute addresses of 32 bits.
const BASE: u64 = 0x4020_0000;
/// Addresses of symbols of other objects: calls reach them.
const OUTSIDE: u64 = 0x4800_0000;
/// The symbol `absolute`: its lower part has a sign.
const ABSOLUTE: u64 = 0x1234_5800;
/// Relocation types of the linker.
const KINDS: [u32; 33] = [
    0, 1, 2, 16, 17, 18, 19, 20, 23, 24, 25, 26, 27, 28, 33, 34, 35, 36, 37, 38, 39, 40, 43, 44,
    45, 51, 52, 53, 54, 55, 56, 57, 60,
];
/// `.got` of lld has this many bytes before the first slot.
const BEFORE_SLOTS: u64 = 8;
/// lld ends `.eh_frame` with so many bytes of zeros.
const AFTER_FRAMES: u64 = 4;

type File<'a> = ElfBytes<'a, LittleEndian>;

fn cross() -> Cross {
    let into = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cross");
    Cross::new(CrossTarget::Riscv64, &into).unwrap()
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Numbers of the relocation types in an object.
fn kinds(object: &[u8]) -> BTreeSet<u32> {
    let file = File::minimal_parse(object).unwrap();
    let sections = file.section_headers().unwrap().iter();
    sections
        .filter(|section| section.sh_type == SHT_RELA)
        .flat_map(|section| file.section_data_as_relas(&section).unwrap())
        .map(|rela| rela.r_type)
        .collect()
}

/// Symbols that the object does not define, by address.
fn undefined(object: &[u8]) -> Vec<(String, u64)> {
    let file = File::minimal_parse(object).unwrap();
    let (symbols, names) = file.symbol_table().unwrap().unwrap();
    let weak = |info: u8| info >> 4 == 2;
    symbols
        .iter()
        .filter(|symbol| symbol.st_shndx == SHN_UNDEF && !weak(symbol.st_info))
        .map(|symbol| names.get(symbol.st_name as usize).unwrap().to_owned())
        .filter(|name| !name.is_empty())
        .zip((OUTSIDE..).step_by(0x20))
        .map(|(name, address)| match &*name {
            "absolute" => (name, ABSOLUTE),
            _ => (name, address),
        })
        .collect()
}

/// A linker script that places everything as in `linked`.
fn script(linked: &LinkedObject, symbols: &[(String, u64)]) -> String {
    let mut script = String::from("ENTRY(start)\n");
    for (name, address) in symbols {
        writeln!(script, "{name} = {address:#x};").unwrap();
    }
    script.push_str("SECTIONS\n{\n");
    for LinkedSection { name, address, .. } in filled(linked) {
        let address = match &**name {
            ".got" => address - BEFORE_SLOTS,
            _ => *address,
        };
        writeln!(script, "    {name} {address:#x} : {{ *({name}) }}").unwrap();
    }
    script.push_str("    /DISCARD/ : { *(.comment .riscv.attributes .note.GNU-stack) }\n}\n");
    script
}

fn filled(linked: &LinkedObject) -> impl Iterator<Item = &LinkedSection> {
    linked.sections.iter().filter(|section| section.size != 0)
}

/// The stored bytes of a section; none of zeros.
fn stored<'a>(linked: &'a LinkedObject, section: &LinkedSection) -> &'a [u8] {
    let after = |segment: &&mbtool::image::linker::LinkedSegment| {
        (segment.address..segment.address + segment.size).contains(&section.address)
    };
    let segment = linked.segments.iter().find(after).unwrap();
    let at = (section.address - segment.address) as usize;
    let rest = segment.data.get(at..).unwrap_or_default();
    &rest[..rest.len().min(section.size as usize)]
}

/// Links an object with both linkers, and compares sections, symbols and entry.
fn compare(cross: &Cross, name: &str, object: &[u8]) -> LinkedObject {
    let symbols = undefined(object);
    let outside = |wanted: &str| {
        let found = symbols.iter().find(|(name, _)| name == wanted);
        found.map(|(_, address)| *address)
    };
    let options = LinkOptions {
        base: BASE,
        entry: "start",
        outside: &outside,
    };
    let linked = link(object, &options).unwrap();
    let bytes = cross
        .link(object, &script(&linked, &symbols), name)
        .unwrap();
    let file = File::minimal_parse(&bytes).unwrap();
    assert_eq!(file.ehdr.e_entry, linked.entry, "{name}");
    for section in filled(&linked) {
        let what = format!("{name} {}", section.name);
        let found = file.section_header_by_name(&section.name).unwrap();
        let found = found.unwrap_or_else(|| panic!("{what} is not in lld's file"));
        let (before, after) = match &*section.name {
            ".got" => (BEFORE_SLOTS, 0),
            ".eh_frame" => (0, AFTER_FRAMES),
            _ => (0, 0),
        };
        let expected = (found.sh_addr + before, found.sh_size - before - after);
        assert_eq!((section.address, section.size), expected, "{what}");
        let ours = stored(&linked, section);
        if found.sh_type == SHT_NOBITS {
            assert!(ours.is_empty(), "{what}");
            continue;
        }
        let (theirs, _) = file.section_data(&found).unwrap();
        let theirs = &theirs[before as usize..][..ours.len()];
        let first = ours
            .iter()
            .zip(theirs)
            .position(|(one, other)| one != other);
        assert_eq!(first, None, "{what}: first difference");
    }
    let (table, names) = file.symbol_table().unwrap().unwrap();
    let theirs: BTreeSet<(&str, u64, u64)> = table
        .iter()
        .map(|symbol| {
            let name = names.get(symbol.st_name as usize).unwrap();
            (name, symbol.st_value, symbol.st_size)
        })
        .collect();
    // lld leaves out local labels of sections that it may merge
    let labels = |name: &str| name.starts_with(".L");
    for symbol in linked.symbols.iter().filter(|one| !labels(&one.name)) {
        let key = (&*symbol.name, symbol.address, symbol.size);
        assert!(theirs.contains(&key), "{name}: {symbol:x?}");
    }
    linked
}

#[test]
fn every_relocation_type_is_applied_as_by_lld() {
    let cross = cross();
    let source = package().join("tests/linker/kinds.rs");
    let object = cross
        .object(&source, "kinds", &["--crate-type=lib"])
        .unwrap();
    let missing: Vec<u32> = KINDS
        .into_iter()
        .chain([61])
        .filter(|kind| !kinds(&object).contains(kind))
        .collect();
    assert!(missing.is_empty(), "not in the object: {missing:?}");
    let linked = compare(&cross, "kinds", &object);
    // three symbols have slots
    let table = linked.sections.iter().find(|one| one.name == ".got");
    assert_eq!(table.unwrap().size, 24);
}

/// The monitor of the tests for riscv64: code of rustc, its formatting, and assembly.
#[test]
fn a_program_is_linked_as_by_lld() {
    let cross = cross();
    let source = package().join("payload/riscv64/main.rs");
    for (name, options, expected) in [
        ("pic", &["-Crelocation-model=pic"][..], 20),
        ("medany", &["-Crelocation-model=static"], 23),
        (
            "medlow",
            &["-Crelocation-model=static", "-Ccode-model=small"],
            26,
        ),
        (
            "relax",
            &["-Crelocation-model=pic", "-Ctarget-feature=+relax"],
            51,
        ),
        (
            "debug",
            &["-Crelocation-model=pic", "-Copt-level=0", "-Cdebuginfo=2"],
            19,
        ),
    ] {
        let mut all = vec!["--crate-type=bin", "-Clto=fat"];
        all.extend(options);
        let name = format!("program-{name}");
        let object = cross.object(&source, &name, &all).unwrap();
        assert!(kinds(&object).contains(&expected), "{name}");
        compare(&cross, &name, &object);
    }
}
