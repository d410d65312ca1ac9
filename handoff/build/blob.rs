//! Compiles the blob with plain `rustc` for the host target, and checks it.

use elf::ElfBytes;
use elf::endian::LittleEndian;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// Code generation: position independent, no unwinding, no red zone (the trap
/// handlers use other stacks, `core` may still assume none), small.
const CODEGEN: [&str; 11] = [
    "-Cpanic=abort",
    "-Copt-level=s",
    // inlined copies of print functions add size; hot functions are
    // inline(always)
    "-Cllvm-args=-inline-threshold=0",
    "-Ccodegen-units=1",
    "-Crelocation-model=pie",
    // full RELRO makes rustc call memory functions through a GOT
    "-Crelro-level=off",
    "-Cno-redzone=yes",
    "-Cforce-unwind-tables=no",
    "-Coverflow-checks=no",
    "-Cdebuginfo=2",
    "-Cembed-bitcode=yes",
];

/// Linking: static, no run-time linker, one segment (layout.ld).
const LINK: [&str; 10] = [
    "-nostartfiles",
    "-nostdlib",
    "-static-pie",
    "-Wl,--no-dynamic-linker",
    "-Wl,--build-id=none",
    "-Wl,-z,norelro",
    "-Wl,-z,noexecstack",
    "-Wl,-z,max-page-size=16",
    "-Wl,-z,text",
    "-Wl,--gc-sections",
];

/// Compiles `root/src`. Writes `handoff.elf` (symbols) to `out`, and returns
/// the flat image.
pub fn compile(root: &Path, out: &Path) -> Vec<u8> {
    let library = out.join("libhandoff.rlib");
    let mut command = rustc(root);
    command.args([
        "--crate-type=rlib",
        "--crate-name=handoff",
        "--cfg=freestanding",
    ]);
    run(command.arg("-o").arg(&library).arg(root.join("src/lib.rs")));

    let elf = out.join("handoff.elf");
    let mut command = rustc(root);
    command.args(["--crate-type=bin", "--crate-name=handoff_blob", "-Clto=fat"]);
    command.args(["-Ctarget-feature=+crt-static", "-Dunused"]);
    for argument in LINK {
        command.arg(format!("-Clink-arg={argument}"));
    }
    let script = root.join("src/blob/layout.ld");
    command.arg(format!("-Clink-arg=-Wl,-T,{}", script.display()));
    command
        .arg("--extern")
        .arg(format!("handoff={}", library.display()));
    run(command
        .arg("-o")
        .arg(&elf)
        .arg(root.join("src/blob/main.rs")));

    flatten(&elf)
}

/// Returns a `rustc` command with fixed flags only.
fn rustc(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()));
    command.args(["--edition=2024", "--target=x86_64-unknown-linux-gnu"]);
    command.args(CODEGEN);
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
