use super::*;
use crate::image::synth::{PeBuilder, bzimage, xen_efi};
use crate::image::unified::UnifiedError;
use crate::request::ModuleSpec;

fn options(modules: &[(&str, ModuleKind)]) -> BootOptions {
    let modules = modules.iter().map(|(path, kind)| ModuleSpec {
        path: path.into(),
        args: String::new(),
        kind: *kind,
    });
    BootOptions {
        modules: modules.collect(),
        ..BootOptions::new("x".into())
    }
}

fn read(file: &[u8], options: &BootOptions) -> Embedded {
    Embedded::read(file, "x", options).unwrap()
}

fn names(modules: &[Module]) -> Vec<(&str, &str)> {
    let modules = modules.iter();
    modules
        .map(|module| (module.name.as_str(), module.cmdline.as_str()))
        .collect()
}

#[test]
fn linux_gets_its_initrd_unless_another_is_given() {
    let file = PeBuilder::efi()
        .section(".cmdline", b"quiet\n")
        .section(".initrd", b"main")
        .section(".ucode", b"code")
        .section(".linux", &bzimage())
        .section(".profile", b"ID=a\nTITLE=b\n")
        .build();
    let found = read(&file, &options(&[]));
    let line = EmbeddedLine {
        from: ".cmdline",
        line: "quiet".into(),
    };
    assert_eq!(found.line.as_ref(), Some(&line));
    assert_eq!(names(&found.initrd), [(".ucode", ""), (".initrd", "")]);
    let kernel = (".linux", bzimage().len());
    let profile = EmbeddedNote::Profile {
        count: 1,
        first: "ID=a\nTITLE=b\n".into(),
    };
    let taken = EmbeddedNote::Taken(vec![kernel, (".ucode", 4), (".initrd", 4)]);
    assert_eq!(found.notes, [profile.clone(), taken]);
    let found = read(&file, &options(&[("i", ModuleKind::Initrd)]));
    assert_eq!(names(&found.initrd), [(".ucode", "")]);
    let taken = EmbeddedNote::Taken(vec![kernel, (".ucode", 4)]);
    let replaced = EmbeddedNote::Replaced {
        option: "--initrd",
        sections: vec![".initrd"],
    };
    assert_eq!(found.notes, [profile, taken, replaced]);
    assert_eq!(read(&bzimage(), &options(&[])).notes, []);
}

#[test]
fn xen_gets_its_modules_unless_others_are_given() {
    let config = b"options=com1=115200\nkernel=vmlinuz root=/dev/sda1\n";
    let file = xen_efi()
        .placed(".config", 0x100_0000, config, 0x100, 0)
        .section(".kernel", b"kernel")
        .section(".ucode", b"code")
        .build();
    let found = read(&file, &options(&[]));
    let line = |line: &str| Some(EmbeddedLine::of_config(line.into()));
    assert_eq!(found.line, line("com1=115200 ucode=1"));
    assert_eq!(
        names(&found.modules),
        [(".kernel", "root=/dev/sda1"), (".ucode", "")]
    );
    assert_eq!(
        found.notes,
        [EmbeddedNote::Taken(vec![(".kernel", 6), (".ucode", 4)])]
    );
    let found = read(&file, &options(&[("k", ModuleKind::Module)]));
    assert_eq!(found.line, line("com1=115200"));
    assert_eq!(names(&found.modules), []);
    let replaced = EmbeddedNote::Replaced {
        option: "--module",
        sections: vec![".kernel", ".ucode"],
    };
    assert_eq!(found.notes, [replaced]);
    let bare = xen_efi().section(".config", config).build();
    let error = Embedded::read(&bare, "x", &options(&[])).unwrap_err();
    assert!(matches!(
        error.reason,
        ImageErrorReason::Unified(UnifiedError::NotInside { key: "kernel", .. })
    ));
    assert_eq!(
        read(&bare, &options(&[("k", ModuleKind::Module)])).notes,
        []
    );
}
