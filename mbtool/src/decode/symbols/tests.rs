//! Tests with a small kernel: physical link address 2 MiB, virtual in the
//! higher half.

use super::*;
use crate::arch::Architecture;
use crate::decode::address_map::{AddressMap, ImageAt};
use crate::decode::symbolizer::Symbolizer;

const VIRT: u64 = 0xffff_82d0_4020_0000;
const PHYS: u64 = 0x20_0000;
/// Load address in the tests.
const LOADED: u64 = 0x7fa0_0000;

fn words(out: &mut Vec<u8>, words: &[u64]) {
    out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

/// ELF64 with one segment, code of 32 bytes 0x1000 into it, and symbols in that code.
fn kernel(symbols: &[(&str, u64, u8)]) -> Vec<u8> {
    const CODE: [u8; 32] = {
        let mut code = [0x90; 32];
        // at 0x1010: call +0; at 0x1015: nop
        code[0x10] = 0xe8;
        (code[0x11], code[0x12], code[0x13], code[0x14]) = (0, 0, 0, 0);
        code
    };
    let (mut names, mut table) = (vec![0], vec![0; 24]);
    for (name, addr, info) in symbols {
        table.extend((names.len() as u32).to_le_bytes());
        table.extend([*info, 0, 1, 0]);
        words(&mut table, &[*addr, 0]);
        names.extend(name.bytes().chain([0]));
    }
    let shstr = b"\0.text\0.symtab\0.strtab\0.shstrtab\0";
    let code_at = 64 + 56;
    let table_at = code_at + CODE.len() as u64;
    let names_at = table_at + table.len() as u64;
    let shstr_at = names_at + names.len() as u64;
    let headers_at = shstr_at + shstr.len() as u64;

    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    words(&mut file, &[PHYS, 64, headers_at]);
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 5, 0, 4, 0]);
    file.extend([1, 0, 0, 0, 7, 0, 0, 0]);
    words(
        &mut file,
        &[code_at, VIRT + 0x1000, PHYS + 0x1000, 32, 0x1000, 0x1000],
    );
    file.extend(CODE);
    file.extend(&table);
    file.extend(&names);
    file.extend(shstr);
    let mut section = |name: u32, kind: u32, fields: [u64; 4], link: u32, entry: u64| {
        file.extend(name.to_le_bytes());
        file.extend(kind.to_le_bytes());
        words(&mut file, &fields);
        file.extend(link.to_le_bytes());
        file.extend([1, 0, 0, 0]);
        words(&mut file, &[8, entry]);
    };
    section(0, 0, [0; 4], 0, 0);
    section(1, 1, [6, VIRT + 0x1000, code_at, 32], 0, 0);
    section(7, 2, [0, 0, table_at, table.len() as u64], 3, 24);
    section(15, 3, [0, 0, names_at, names.len() as u64], 0, 0);
    section(23, 3, [0, 0, shstr_at, shstr.len() as u64], 0, 0);
    file
}

/// Global function, local label.
const FUNCTION: u8 = 0x12;
const LABEL: u8 = 0x00;

fn xen() -> SymbolFile {
    let at = |offset| VIRT + 0x1000 + offset;
    let symbols = [
        ("label", at(0), LABEL),
        ("__start_xen", at(0), FUNCTION),
        (".Lhidden", at(9), LABEL),
        ("__high_start", at(8), FUNCTION),
        ("$x", at(9), LABEL),
        ("$d.2", at(9), LABEL),
        ("elsewhere", 0x1234, FUNCTION),
    ];
    SymbolFile::parse("xen-syms", &kernel(&symbols), None).unwrap()
}

fn named(file: &SymbolFile, addr: u64) -> Option<(String, u64)> {
    file.lookup(addr).map(|symbol| (symbol.name, symbol.offset))
}

#[test]
fn linked_addresses_are_known_without_a_base() {
    let file = xen();
    assert!(file.is_xen());
    let high = Some(("__high_start".to_owned(), 2));
    assert_eq!(named(&file, VIRT + 0x100a), high);
    assert_eq!(named(&file, PHYS + 0x100a), high);
    assert_eq!(
        named(&file, PHYS + 0x1000),
        Some(("__start_xen".to_owned(), 0))
    );
    for addr in [
        0,
        PHYS,
        PHYS + 0x1020,
        VIRT + 0x1020,
        LOADED,
        0x1234,
        u64::MAX,
    ] {
        assert_eq!(named(&file, addr), None, "{addr:#x}");
    }
}

#[test]
fn load_addresses_and_virtual_addresses_are_found() {
    let mut file = xen();
    assert_eq!(file.link_base(), PHYS + 0x1000);
    file.base = Some(LOADED);
    let high = Some(("__high_start".to_owned(), 2));
    assert_eq!(named(&file, LOADED + 0xa), high);
    assert_eq!(named(&file, VIRT + 0x100a), high);
    // its link address is not used
    assert_eq!(named(&file, PHYS + 0x100a), None);
    let (before, after) = file.code(LOADED + 0x15, 5).unwrap();
    assert_eq!((before, after[0]), (&[0xe8, 0, 0, 0, 0][..], 0x90));
}

#[test]
fn the_address_of_xen_comes_from_the_plan() {
    let mut symbols = Symbolizer::new(vec![xen()]);
    let mut map = AddressMap {
        image: Some(ImageAt {
            name: "xen.gz".into(),
            base: LOADED,
            link_base: Some(PHYS),
            xen: true,
        }),
        ..AddressMap::default()
    };
    symbols.place(&map);
    assert_eq!(symbols.lookup(LOADED + 8).unwrap().name, "__high_start");
    // other images are not Xen
    map.image.as_mut().unwrap().xen = false;
    symbols.place(&map);
    assert_eq!(symbols.lookup(LOADED + 8), None);
    assert_eq!(symbols.lookup(PHYS + 0x1008).unwrap().name, "__high_start");
}

#[test]
fn symbols_of_the_handoff_are_built_in() {
    let mut symbols = Symbolizer::new(Vec::new());
    let base = 0x60_0000;
    let entry = base + u64::from(handoff::blob::header().entry64);
    symbols.place(&AddressMap::default());
    assert_eq!(symbols.lookup(entry), None);
    symbols.place(&AddressMap {
        handoff: Some(base),
        ..AddressMap::default()
    });
    assert_eq!(symbols.lookup(entry).unwrap().offset, 0);
    // Rust code has lines, without a directory of the build machine
    let named = (0..0x3000).filter_map(|offset| symbols.lookup(base + offset));
    let frames: Vec<Frame> = named.flat_map(|symbol| symbol.frames).collect();
    let own = |frame: &&Frame| {
        frame
            .file
            .as_ref()
            .is_some_and(|file| file.contains("handoff/src/") || file.starts_with("handoff"))
    };
    assert!(
        frames.iter().filter(own).any(|frame| frame.line > Some(1)),
        "{frames:?}"
    );
}

#[test]
fn symbols_of_another_architecture_are_not_used() {
    const MACHINE: usize = 18;
    const RISCV: u8 = 243;
    let mut elf = kernel(&[("trap", VIRT + 0x1000, FUNCTION)]);
    elf[MACHINE] = RISCV;
    let riscv = SymbolFile::parse("riscv", &elf, None).unwrap();
    assert_eq!(riscv.architecture, Some(Architecture::Riscv64));
    assert_eq!(xen().architecture, Some(Architecture::X86_64));
    let mut symbols = Symbolizer::new(vec![xen(), riscv]);
    let base = 0x60_0000;
    let entry = base + u64::from(handoff::blob::header().entry64);
    let mut map = AddressMap {
        handoff: Some(base),
        ..AddressMap::default()
    };
    let found = |symbols: &Symbolizer, addr| symbols.lookup(addr).map(|symbol| symbol.name);
    symbols.place(&map);
    assert_eq!(
        found(&symbols, VIRT + 0x1000).as_deref(),
        Some("__start_xen")
    );
    assert!(found(&symbols, entry).is_some() && symbols.is_code(entry));
    map.architecture = Architecture::Riscv64;
    symbols.place(&map);
    assert_eq!(found(&symbols, VIRT + 0x1000).as_deref(), Some("trap"));
    assert!(found(&symbols, entry).is_none() && !symbols.is_code(entry));
}

#[test]
fn files_without_symbols_are_refused() {
    let why = |bytes: &[u8]| {
        let error = SymbolFile::parse("file", bytes, None).unwrap_err();
        let DecodeError::Symbols { name, why } = error else {
            panic!("{error}");
        };
        assert_eq!(name, "file");
        why
    };
    assert!(matches!(why(b"nothing"), SymbolFileProblem::Object(_)));
    assert_eq!(why(&kernel(&[])), SymbolFileProblem::Stripped);
    let whole = kernel(&[("__start_xen", VIRT + 0x1000, FUNCTION)]);
    for len in 0..whole.len() {
        // truncated anywhere: refused or read, without a panic
        let _ = SymbolFile::parse("file", &whole[..len], None).map(|file| file.lookup(PHYS));
    }
}

/// Xen on arm64 has one address in its file, the virtual one; the loader puts it elsewhere.
#[test]
fn xen_on_arm64_is_known_where_it_was_loaded_and_where_it_was_linked() {
    let at = |offset| VIRT + 0x1000 + offset;
    let parse = |first: &str| {
        let symbols = [
            (first, at(0), FUNCTION),
            ("hyp_traps_vector", at(16), FUNCTION),
        ];
        let mut file = kernel(&symbols);
        file[18..20].copy_from_slice(&183_u16.to_le_bytes());
        // p_paddr
        file.copy_within(64 + 16..64 + 24, 64 + 24);
        SymbolFile::parse("xen-syms", &file, Some(LOADED)).unwrap()
    };
    let xen = parse("start_xen");
    assert!(xen.is_xen());
    assert_eq!(xen.architecture, Some(Architecture::Arm64));
    for base in [LOADED, at(0)] {
        assert_eq!(named(&xen, base + 4), Some(("start_xen".into(), 4)));
        assert_eq!(named(&xen, base + 17), Some(("hyp_traps_vector".into(), 1)));
    }
    // another program is where it was loaded
    let other = parse("start_other");
    assert!(!other.is_xen());
    assert_eq!(named(&other, LOADED + 4), Some(("start_other".into(), 4)));
    assert_eq!(named(&other, at(4)), None);
}
