//! Variants of the payload: the same code, linked and packaged in different
//! ways.

use crate::container::{elf32, flatten};
use crate::elf::Elf;
use crate::headers::{check_header, check_header1};
use crate::sha256::Sha256;
use crate::tools::Tools;
use std::fs;
use std::path::Path;

/// Parameters of a variant.
struct Variant {
    /// Name in the report; the file is `mb2_NAME`, for Multiboot 1 `NAME`.
    name: &'static str,
    /// True for a Multiboot (1) header.
    first: bool,
    /// Address of the first byte: virtual, then physical.
    base: (u64, u64),
    /// Contents of the header, as cfgs of `header.rs` or `header1.rs`.
    cfgs: &'static [&'static str],
    /// Format of the file.
    container: Container,
}

enum Container {
    /// ELF64, ET_EXEC.
    Exec,
    /// ELF64, ET_DYN with relocations.
    Dyn,
    /// No container: the bytes from the first to the last.
    Flat,
    /// ELF32 around the same bytes.
    Elf32,
}

const VARIANTS: [Variant; 11] = [
    Variant {
        name: "fixed",
        first: false,
        base: (0x40_0000, 0x40_0000),
        cfgs: &[],
        container: Container::Exec,
    },
    Variant {
        name: "reloc_none",
        first: false,
        base: (0x40_0000, 0x40_0000),
        cfgs: &[r#"preference="none""#],
        container: Container::Exec,
    },
    Variant {
        name: "reloc_lowest",
        first: false,
        base: (0x40_0000, 0x40_0000),
        cfgs: &[r#"preference="lowest""#],
        container: Container::Exec,
    },
    Variant {
        name: "reloc_highest",
        first: false,
        base: (0x40_0000, 0x40_0000),
        cfgs: &[r#"preference="highest""#],
        container: Container::Exec,
    },
    Variant {
        name: "dyn",
        first: false,
        base: (0, 0),
        cfgs: &[],
        container: Container::Dyn,
    },
    Variant {
        name: "higher_half",
        first: false,
        base: (0xffff_ffff_8060_0000, 0x60_0000),
        cfgs: &[],
        container: Container::Exec,
    },
    Variant {
        name: "flat",
        first: false,
        base: (0x50_0000, 0x50_0000),
        cfgs: &["address"],
        container: Container::Flat,
    },
    // not on a page boundary, which ELF32 does not require
    Variant {
        name: "elf32",
        first: false,
        base: (0x80_1230, 0x80_1230),
        cfgs: &[],
        container: Container::Elf32,
    },
    Variant {
        name: "mb1_fixed",
        first: true,
        base: (0x40_0000, 0x40_0000),
        cfgs: &[],
        container: Container::Exec,
    },
    Variant {
        name: "mb1_flat",
        first: true,
        base: (0x50_0000, 0x50_0000),
        cfgs: &["address"],
        container: Container::Flat,
    },
    Variant {
        name: "mb1_elf32",
        first: true,
        base: (0x80_1230, 0x80_1230),
        cfgs: &[],
        container: Container::Elf32,
    },
];

impl Variant {
    /// Name of the image's file.
    fn file(&self) -> String {
        let prefix = if self.first { "" } else { "mb2_" };
        format!("{prefix}{}", self.name)
    }
}

/// R_X86_64_RELATIVE: add the load address.
const RELATIVE: u32 = 8;
/// Number of absolute pointers (`selfcheck::POINTERS`).
const POINTERS: usize = 32;

/// Builds all payloads.
pub fn build_all(tools: &Tools) {
    let body = tools.archive("mb2/main.rs", "libmb2.a");
    for variant in &VARIANTS {
        let header = format!("header_{}.o", variant.name);
        let source = if variant.first {
            "header1.rs"
        } else {
            "header.rs"
        };
        let header = tools.object(source, &header, variant.cfgs);
        let linked = tools.out.join(format!("{}.elf", variant.file()));
        link(
            tools,
            &linked,
            &[&header, &body],
            variant.base,
            &variant.container,
        );
        let mut elf = Elf {
            bytes: fs::read(&linked).expect("what was just linked"),
        };
        check(&elf, variant);
        stamp(&mut elf, variant);
        let image = match variant.container {
            Container::Exec | Container::Dyn => elf.bytes,
            Container::Flat => flatten(&elf).bytes,
            Container::Elf32 => elf32(&flatten(&elf), 3),
        };
        if variant.first {
            check_header1(&image, variant.name);
        } else {
            check_header(&image, variant.name);
        }
        fs::write(tools.out.join(variant.file()), image).expect("OUT_DIR");
    }
    fault32(tools);
    page(tools, "destroy");
    page(tools, "state64");
    page(tools, "reset");
    launcher(tools);
}

fn link(tools: &Tools, output: &Path, inputs: &[&Path], base: (u64, u64), container: &Container) {
    let mut args = vec![
        format!("--defsym=LINK_BASE={:#x}", base.0),
        format!("--defsym=PHYS_OFFSET={:#x}", base.0 - base.1),
    ];
    let script = if let Container::Dyn = container {
        args.extend(["-pie", "--no-dynamic-linker"].map(String::from));
        "dynamic.ld"
    } else {
        args.push("-static".into());
        "static.ld"
    };
    args.extend(inputs.iter().map(|path| path.display().to_string()));
    tools.link(script, output, &args);
}

/// Checks that the file matches its variant.
fn check(elf: &Elf, variant: &Variant) {
    let name = variant.name;
    let loads = elf.loads();
    assert_eq!(loads.len(), 2, "{name}: {loads:x?}");
    assert_eq!(
        (loads[0].vaddr, loads[0].paddr),
        variant.base,
        "{name}: {loads:x?}"
    );
    assert_eq!(elf.entry(), elf.symbol("entry32"), "{name}: entry");
    assert!(loads[1].memsz > loads[1].filesz, "{name}: no .bss");
    let pointers = elf.section(".pointers");
    assert_eq!(pointers.size as usize, POINTERS * 8, "{name}: pointers");
    let relocations = elf.relocations();
    let Container::Dyn = variant.container else {
        assert!(relocations.is_empty(), "{name}: {relocations:x?}");
        return;
    };
    // the same code as in every other variant: other relocations would break an
    // image that is moved without them
    assert_eq!(relocations.len(), POINTERS, "{name}: {relocations:x?}");
    for (place, kind) in relocations {
        let inside = (pointers.address..pointers.address + pointers.size).contains(&place);
        assert!(
            kind == RELATIVE && inside,
            "{name}: relocation type {kind} at {place:#x}"
        );
    }
}

/// Fills in section `.stamp` (`selfcheck::Stamp`).
fn stamp(elf: &mut Elf, variant: &Variant) {
    let mut sha = Sha256::new();
    for (start, end) in [
        ("__image_start", "__text_end"),
        ("__data_start", "__checked_end"),
    ] {
        let (start, end) = (elf.symbol(start), elf.symbol(end));
        if start < end {
            sha.update(elf.slice(elf.offset_of(start), end - start));
        }
    }
    let mut bytes = Vec::new();
    bytes.extend(variant.base.0.to_le_bytes());
    bytes.extend(variant.base.1.to_le_bytes());
    bytes.extend(sha.finish());
    bytes.extend(variant.name.as_bytes());
    let section = elf.section(".stamp");
    assert!(
        bytes.len() < section.size as usize,
        "name too long: {}",
        variant.name
    );
    let offset = section.offset as usize;
    elf.bytes[offset..offset + bytes.len()].copy_from_slice(&bytes);
}

fn fault32(tools: &Tools) {
    let header = tools.object("header.rs", "header_fault32.o", &[]);
    let body = tools.object("fault32/main.rs", "fault32.o", &[]);
    let linked = tools.out.join("mb2_fault32");
    tools.link("fault32.ld", &linked, &[&header, &body]);
    let elf = Elf {
        bytes: fs::read(&linked).expect("what was just linked"),
    };
    assert_eq!(elf.entry(), elf.symbol("entry32"), "fault32: entry");
    // five bytes per instruction, seven instructions
    assert_eq!(
        elf.symbol("fault_here"),
        elf.entry() + 35,
        "fault32: place of the fault"
    );
    check_header(&elf.bytes, "fault32");
}

/// A page of position-independent code without container.
fn page(tools: &Tools, name: &str) {
    let body = tools.object(&format!("{name}/main.rs"), &format!("{name}.o"), &[]);
    let linked = tools.out.join(format!("{name}.elf"));
    tools.link("page.ld", &linked, &[&body]);
    let elf = Elf {
        bytes: fs::read(&linked).expect("what was just linked"),
    };
    let flat = flatten(&elf);
    assert_eq!(flat.entry, flat.base, "{name}: entry");
    assert!(flat.bytes.len() <= 0x1000, "{name}: more than a page");
    fs::write(tools.out.join(name), flat.bytes).expect("OUT_DIR");
}

fn launcher(tools: &Tools) {
    let body = tools.archive("launcher/main.rs", "liblauncher.a");
    let header = tools.object("launcher/header.rs", "header_launcher.o", &[]);
    let linked = tools.out.join("launcher.elf");
    let base = (0x100_0000, 0x100_0000);
    link(tools, &linked, &[&header, &body], base, &Container::Dyn);
    let elf = Elf {
        bytes: fs::read(&linked).expect("what was just linked"),
    };
    // the host writes another address into the container
    assert!(
        elf.relocations().is_empty(),
        "launcher: {:x?}",
        elf.relocations()
    );
    // QEMU requires an ELF32 of a 64-bit kernel
    fs::write(tools.out.join("launcher"), elf32(&flatten(&elf), 1)).expect("OUT_DIR");
}
