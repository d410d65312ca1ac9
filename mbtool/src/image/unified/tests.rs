#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::as_conversions)]

use super::config::XenEfiConfig;
use super::*;
use crate::image::error::XenEfiError;
use crate::image::kind::{DataFile, SetupProgram};
use crate::image::synth::{HeaderBuilder, PE_AT, PeBuilder, bzimage, xen_efi};
use crate::image::{As, Format, Image, ImageErrorReason, Protocol};

fn read(file: &[u8]) -> Result<Option<Unified<'_>>, UnifiedError> {
    Unified::of(file, &FileKind::of(file))
}

fn linux(file: &[u8]) -> UnifiedLinux<'_> {
    match read(file) {
        Ok(Some(Unified::Linux(linux))) => linux,
        other => panic!("{other:?}"),
    }
}

fn xen(file: &[u8]) -> UnifiedXen<'_> {
    match read(file) {
        Ok(Some(Unified::Xen(xen))) => xen,
        other => panic!("{other:?}"),
    }
}

fn parse(file: &[u8], what: As) -> Result<Image, ImageErrorReason> {
    Image::parse_as(file, "test", what).map_err(|error| error.reason)
}

fn uki() -> PeBuilder {
    PeBuilder::efi()
        .section(".text", b"stub")
        .section(".osrel", b"ID=debian\n")
        .section(".cmdline", b"root=/dev/vda1\tquiet\n\0")
        .section(".initrd", b"main")
        .section(".ucode", b"microcode")
        .section(".linux", &bzimage())
}

#[test]
fn a_unified_kernel_image_has_kernel_initrd_and_command_line() {
    let file = uki().build();
    let unified = linux(&file);
    assert_eq!(unified.kernel, bzimage());
    assert_eq!(unified.cmdline.as_deref(), Some("root=/dev/vda1 quiet"));
    let initrd: Vec<_> = unified
        .initrd
        .iter()
        .map(|part| (part.name, part.data))
        .collect();
    assert_eq!(
        initrd,
        [(".ucode", &b"microcode"[..]), (".initrd", b"main")]
    );
    assert_eq!(unified.profiles, [""; 0]);
    for what in [As::Auto, As::Linux] {
        let image = parse(&file, what).unwrap();
        let kernel = parse(&bzimage(), As::Linux).unwrap();
        assert_eq!(image.segments, kernel.segments);
        assert_eq!(image.protocol, kernel.protocol);
    }
    let bare = PeBuilder::efi().section(".linux", &bzimage()).build();
    let bare = linux(&bare);
    assert_eq!((bare.cmdline, bare.initrd), (None, vec![]));
}

/// The example of UAPI.5: the default is profile 0, whose sections replace those of the base.
#[test]
fn profile_0_is_taken() {
    let file = uki()
        .section(".profile", b"ID=regular\n")
        .section(".cmdline", b"regular")
        .section(".profile", b"ID=factory-reset\n")
        .section(".cmdline", b"reset")
        .section(".initrd", b"other")
        .build();
    let unified = linux(&file);
    assert_eq!(unified.cmdline.as_deref(), Some("regular"));
    assert_eq!(unified.initrd[1].data, b"main");
    assert_eq!(unified.profiles, ["ID=regular\n", "ID=factory-reset\n"]);
}

#[test]
fn defects_of_a_unified_kernel_image_are_named() {
    let file = PeBuilder::efi()
        .section(".cmdline", b"\xff\xfe")
        .section(".linux", &bzimage())
        .build();
    let not_text = UnifiedError::NotText { name: ".cmdline" };
    assert_eq!(parse(&file, As::Auto).unwrap_err(), not_text.into());
    let file = PeBuilder::efi().section(".linux", b"text").build();
    let kind = FileKind::Data(DataFile::Text);
    let kernel = UnifiedError::Kernel {
        name: ".linux",
        kind,
    };
    assert_eq!(parse(&file, As::Auto).unwrap_err(), kernel.into());
    let file = uki().build();
    let cut = UnifiedError::CutShort { name: ".linux" };
    assert_eq!(
        parse(&file[..file.len() - 0x200], As::Auto).unwrap_err(),
        cut.into()
    );
    // another kind of kernel keeps its own reason
    let mut old = bzimage();
    old[0x211] = 0;
    let file = PeBuilder::efi().section(".linux", &old).build();
    assert_eq!(FileKind::of(&old), FileKind::Setup(SetupProgram::ZImage));
    assert!(matches!(
        parse(&file, As::Auto),
        Err(ImageErrorReason::Linux(_))
    ));
    let file = PeBuilder::new(0xaa64, 10)
        .section(".linux", &bzimage())
        .build();
    assert!(read(&file).unwrap().is_none());
    assert!(matches!(
        parse(&file, As::Auto),
        Err(ImageErrorReason::NotAnImage { .. })
    ));
}

const CONFIG: &str = "# comment\n[global]\ndefault=one\n ramdisk = i\n\n[two]\noptions=wrong\n; kernel=wrong\n[one]\r\n\
     options=com1=115200 console=com1\r\nkernel=vmlinuz  root=/dev/sda1 ro \n";

#[test]
fn values_come_from_the_default_section_and_from_global() {
    let expected = XenEfiConfig {
        options: Some("com1=115200 console=com1".into()),
        kernel: Some(("vmlinuz".into(), "root=/dev/sda1 ro".into())),
        ramdisk: Some("i".into()),
        ..XenEfiConfig::default()
    };
    assert_eq!(XenEfiConfig::parse(CONFIG), expected);
    // without default= the first line counts, whatever its section
    let first = CONFIG.replace("default=one\n", "");
    let options = XenEfiConfig::parse(&first).options;
    assert_eq!(options.as_deref(), Some("wrong"));
    assert_eq!(XenEfiConfig::parse("x\n[\n=\n"), XenEfiConfig::default());
}

fn unified_xen() -> PeBuilder {
    xen_efi()
        .placed(
            ".config",
            0x100_0000,
            CONFIG.as_bytes(),
            CONFIG.len() as u32,
            0x4000_0040,
        )
        .section(".kernel", b"kernel")
        .section(".ramdisk", b"initrd")
}

#[test]
fn a_unified_xen_has_modules_and_command_lines() {
    let file = unified_xen().section(".ucode", b"code").build();
    let unified = xen(&file);
    let modules: Vec<_> = unified.modules().unwrap().iter().collect();
    let modules: Vec<_> = modules
        .iter()
        .map(|part| (part.name, part.args.as_str(), part.data))
        .collect();
    assert_eq!(
        modules,
        [
            (".kernel", "root=/dev/sda1 ro", &b"kernel"[..]),
            (".ramdisk", "", b"initrd"),
            (".ucode", "", b"code")
        ]
    );
    assert_eq!(unified.cmdline(), "com1=115200 console=com1 ucode=2");
    let file = unified_xen().build();
    assert_eq!(xen(&file).cmdline(), "com1=115200 console=com1");
}

#[test]
fn files_beside_a_unified_xen_are_named() {
    let file = xen_efi().section(".config", CONFIG.as_bytes()).build();
    let kernel = UnifiedError::NotInside {
        key: "kernel",
        file: "vmlinuz".into(),
        section: ".kernel",
    };
    assert_eq!(xen(&file).modules().unwrap_err(), kernel);
    let file = xen_efi().section(".config", b"options=x").build();
    assert_eq!(xen(&file).modules().unwrap_err(), UnifiedError::NoKernel);
}

#[test]
fn xen_efi_is_loaded_by_its_sections() {
    for file in [xen_efi().build(), unified_xen().build()] {
        let image = parse(&file, As::Auto).unwrap();
        assert_eq!(
            (image.format, &image.protocol),
            (Format::Pe, &Protocol::Multiboot2)
        );
        assert_eq!(
            (image.entry, image.span.start, image.span.end),
            (0x20_0000, 0x20_0000, 0xa0_0000)
        );
        // no gap is left for modules, and neither files nor relocations are loaded
        let [segment] = &image.segments[..] else {
            panic!("{:?}", image.segments);
        };
        assert_eq!(segment.data.len(), 0x40_1008);
        assert_eq!(segment.data[0x7ff..0x801], [0xcc, 0]);
        assert_eq!(segment.data[0x3f_ffff..0x40_0001], [0, 0xfa]);
        assert!(xen_shim::recognize(&segment.data).is_some());
        let tag = image.requirements.relocatable.unwrap();
        assert_eq!((tag.min, tag.align), (0x20_0000, 0x20_0000));
        let placed = image.at(0x7000_0000).unwrap();
        assert_eq!(placed.entry, 0x7000_0000);
    }
}

#[test]
fn xen_efi_that_cannot_be_entered_is_refused() {
    let good = xen_efi().build();
    let text = usize::from(u16::from_le_bytes(
        good[PE_AT + 20..PE_AT + 22].try_into().unwrap(),
    ));
    let table = PE_AT + 24 + text;
    let text = u32::from_le_bytes(good[table + 20..table + 24].try_into().unwrap()) as usize;
    let refused = |file: &[u8]| match parse(file, As::Auto) {
        Err(ImageErrorReason::XenEfi { why }) => why,
        other => panic!("{other:?}"),
    };
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    // not a jump, a jump to nowhere
    assert_eq!(refused(&with(text, &[0x90])), XenEfiError::NoEntry);
    assert_eq!(
        refused(&with(text + 1, &i32::MIN.to_le_bytes())),
        XenEfiError::NoEntry
    );
    // the second section at the address of the first
    let overlap = refused(&with(table + 40 + 12, &0x20_0100_u32.to_le_bytes()));
    assert!(
        matches!(overlap, XenEfiError::Overlap { .. }),
        "{overlap:?}"
    );
    assert_eq!(
        refused(&with(table + 40 + 12, &u32::MAX.to_le_bytes())),
        XenEfiError::Headers
    );
    // far away: memory is not filled with zeros up to there
    let far = refused(&with(table + 2 * 40 + 12, &0xf000_0000_u32.to_le_bytes()));
    assert!(matches!(far, XenEfiError::TooLarge { .. }), "{far:?}");
    let cut = refused(&good[..good.len() - 0x400]);
    assert_eq!(cut, XenEfiError::CutShort);
    let header = HeaderBuilder::new().relocatable(0x20_0000, u32::MAX, 0x20_0000, 2);
    let file = crate::image::synth::xen_efi_with(header).build();
    assert_eq!(refused(&file), XenEfiError::Addresses { efi: None });
}

#[test]
fn every_prefix_of_a_unified_image_is_read_or_refused() {
    for file in [uki().build(), unified_xen().build()] {
        for len in (0..0x400).chain((0x400..file.len()).step_by(0x100)) {
            let _ = read(&file[..len]);
            let _ = parse(&file[..len], As::Auto);
        }
    }
}

/// Sections that overlap: only references are kept, not a copy for each.
#[test]
fn profiles_are_not_copied() {
    let mut file = (0..96)
        .fold(PeBuilder::efi(), |pe, _| pe.section(".profile", b"x"))
        .build();
    let table = PE_AT + 24 + 240;
    let (start, len) = (0x1_0000_u32, 1_u32 << 20);
    file.resize((start + len) as usize, b'a');
    for index in 0..96 {
        let header = table + 40 * index;
        for (field, value) in [(8, len), (16, len), (20, start)] {
            file[header + field..header + field + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    file[table..table + 8].copy_from_slice(b".linux\0\0");
    let Ok(Some(Unified::Linux(unified))) = read(&file) else {
        panic!("not a unified kernel");
    };
    let at = file[start as usize..].as_ptr();
    assert_eq!(unified.profiles.len(), 95);
    for profile in unified.profiles {
        assert_eq!((profile.as_ptr(), profile.len()), (at, len as usize));
    }
}

#[test]
fn the_command_line_ends_at_its_first_nul() {
    let line = |line: &[u8]| {
        let file = PeBuilder::efi()
            .section(".cmdline", line)
            .section(".linux", b"x")
            .build();
        match read(&file) {
            Ok(Some(Unified::Linux(unified))) => unified.cmdline,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(line(b"quiet\nro\0 init=/x").as_deref(), Some("quiet ro"));
    assert_eq!(line(b"quiet\0\xff").as_deref(), Some("quiet"));
    assert_eq!(line(b"\0quiet").as_deref(), Some(""));
}
