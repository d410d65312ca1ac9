//! Compiles the blob with plain `rustc` for cargo's target, and checks it.

use elf::ElfBytes;
use elf::endian::LittleEndian;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Code generation: position independent, no unwinding, small. On x86_64 no red zone, too: the trap
/// handlers use other stacks, `core` may still assume none.
const CODEGEN: [&str; 10] = [
    "-Cpanic=abort",
    "-Copt-level=s",
    // inlined copies of print functions add size; hot functions are
    // inline(always)
    "-Cllvm-args=-inline-threshold=0",
    "-Ccodegen-units=1",
    "-Crelocation-model=pie",
    // full RELRO makes rustc call memory functions through a GOT
    "-Crelro-level=off",
    "-Cforce-unwind-tables=no",
    "-Coverflow-checks=no",
    "-Cdebuginfo=2",
    "-Cembed-bitcode=yes",
];

/// Linking: static, no run-time linker, one segment (layout.ld).
const LINK: [&str; 7] = [
    "--no-dynamic-linker",
    "--build-id=none",
    "-znorelro",
    "-znoexecstack",
    "-zmax-page-size=16",
    "-ztext",
    "--gc-sections",
];

/// What differs between architectures that have a blob.
pub struct Target {
    /// rustc's name of the target.
    name: String,
    /// Root of the blob, and its linker script, below the package.
    root: &'static str,
    script: &'static str,
    /// Further code generation options.
    codegen: &'static [&'static str],
    /// Root and linker script of the probe image.
    probe: Option<(&'static str, &'static str)>,
}

impl Target {
    /// The parts of the target with rustc's name `name`; `None` without a blob.
    pub fn new(name: &str) -> Option<Self> {
        let name = name.to_owned();
        let architecture = name.split('-').next().unwrap_or_default();
        Some(match architecture {
            "x86_64" => Self {
                name,
                root: "src/blob/main.rs",
                script: "src/blob/layout.ld",
                codegen: &["-Cno-redzone=yes"],
                probe: None,
            },
            "riscv64gc" => Self {
                name,
                root: "src/blob/riscv64/main.rs",
                script: "src/blob/dt.ld",
                codegen: &[],
                probe: None,
            },
            // accesses are aligned: with translation off all memory is a device
            "aarch64" => Self {
                name,
                root: "src/blob/arm64/main.rs",
                script: "src/blob/dt.ld",
                codegen: &["-Ctarget-feature=+strict-align"],
                probe: Some(("src/blob/probe/main.rs", "src/blob/probe/layout.ld")),
            },
            "armv7" => Self {
                name,
                root: "src/blob/arm/main.rs",
                script: "src/blob/dt.ld",
                codegen: &["-Ctarget-feature=+strict-align"],
                probe: None,
            },
            _ => return None,
        })
    }
}

/// Compiles the blob below `root` for a target of rustc: the one that cargo builds for, whose `core`
/// is certain to be there. Writes `handoff.elf` (symbols) to `out`, and returns the flat image.
pub fn compile(root: &Path, out: &Path, target: &Target) -> Vec<u8> {
    let library = out.join("libhandoff.rlib");
    let mut command = rustc(root, target);
    command.args([
        "--crate-type=rlib",
        "--crate-name=handoff",
        "--cfg=freestanding",
    ]);
    run(command.arg("-o").arg(&library).arg(root.join("src/lib.rs")));

    let elf = out.join("handoff.elf");
    linked(root, target, (target.root, target.script), &library, &elf)
}

/// Compiles the probe image with the library of [`compile`]; `None` where there is none.
pub fn compile_probe(root: &Path, out: &Path, target: &Target) -> Option<Vec<u8>> {
    let (source, script) = target.probe?;
    let library = out.join("libhandoff.rlib");
    let elf = out.join("probe.elf");
    Some(linked(root, target, (source, script), &library, &elf))
}

/// Links a program with the library; returns its flat image.
fn linked(
    root: &Path,
    target: &Target,
    (source, script): (&str, &str),
    library: &Path,
    elf: &Path,
) -> Vec<u8> {
    let mut command = rustc(root, target);
    command.args(["--crate-type=bin", "--crate-name=handoff_blob", "-Clto=fat"]);
    command.arg("-Dunused");
    link(&mut command, &root.join(script));
    command
        .arg("--extern")
        .arg(format!("handoff={}", library.display()));
    run(command.arg("-o").arg(elf).arg(root.join(source)));
    flatten(elf)
}

/// Adds the linker and its arguments: the `lld` that cargo was configured with, called directly, else
/// a C compiler.
fn link(command: &mut Command, script: &Path) {
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let linker = env::var_os("RUSTC_LINKER");
    let name = linker
        .as_ref()
        .map(|linker| Path::new(linker).file_name().unwrap_or_default());
    let lld = name.is_some_and(|name| name.to_string_lossy().contains("lld"));
    if let Some(linker) = &linker {
        command.arg(format!("-Clinker={}", linker.to_string_lossy()));
    }
    let argument = |text: &str| {
        if lld {
            format!("-Clink-arg={text}")
        } else {
            format!("-Clink-arg=-Wl,{text}")
        }
    };
    if lld {
        command.args([
            "-Clinker-flavor=ld.lld",
            "-Cdefault-linker-libraries=no",
            "-Ctarget-feature=-crt-static",
            "-Clink-arg=-pie",
        ]);
    } else {
        command.arg("-Ctarget-feature=+crt-static");
        for text in ["-nostartfiles", "-nostdlib", "-static-pie"] {
            command.arg(format!("-Clink-arg={text}"));
        }
    }
    for text in LINK {
        command.arg(argument(text));
    }
    command.arg(argument(&format!("-T{}", script.display())));
}

/// Returns a `rustc` command with fixed flags only.
fn rustc(root: &Path, target: &Target) -> Command {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    command.args(["--edition=2024", "--target", &target.name]);
    command.args(CODEGEN);
    command.args(target.codegen);
    command.arg(format!("--remap-path-prefix={}=handoff", root.display()));
    command.env("CARGO_PKG_VERSION", env!("CARGO_PKG_VERSION"));
    command
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

fn run(command: &mut Command) {
    let status = command
        .status()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(status.success(), "{command:?}: {status}");
}

/// Returns the code and constants, after checking that there is one segment, at
/// address 0, without relocations. The file data after them is for a run-time
/// linker.
fn flatten(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("read handoff.elf");
    let file = ElfBytes::<LittleEndian>::minimal_parse(&bytes).expect("handoff.elf is ELF");
    let loads: Vec<_> = file
        .segments()
        .expect("program headers")
        .iter()
        .filter(|segment| segment.p_type == elf::abi::PT_LOAD)
        .collect();
    assert_eq!(loads.len(), 1, "the blob must be one segment: {loads:?}");
    let load = loads[0];
    assert_eq!(load.p_vaddr, 0, "the blob must be linked at 0");
    for section in file.section_headers().expect("section headers") {
        if matches!(section.sh_type, elf::abi::SHT_RELA | elf::abi::SHT_REL) {
            let relocs = file.section_data_as_relas(&section).expect("relocations");
            let words: Vec<_> = relocs
                .map(|r| format!("{:#x} -> {:#x}", r.r_offset, r.r_addend))
                .collect();
            assert!(
                words.is_empty(),
                "the blob must not need relocation: {words:?}"
            );
        }
    }
    let text = file
        .section_header_by_name(".text")
        .expect("section headers")
        .expect(".text");
    assert_eq!(text.sh_addr, 0, "the header comes first");
    let start = text.sh_offset as usize;
    bytes[start..start + text.sh_size as usize].to_vec()
}
