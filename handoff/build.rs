//! Builds `handoff.bin` (flat image) and `handoff.elf` (symbols) in OUT_DIR, and `probe.bin`, the image of
//! `mbtool probe --payload`.

#[path = "build/blob.rs"]
mod blob;

use std::path::PathBuf;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rustc-check-cfg=cfg(freestanding)");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let target = env::var("TARGET").expect("cargo sets it");
    println!("cargo::rustc-env=HANDOFF_TARGET={target}"); // for tests/reproducible.rs
    // no blob for other architectures: what does not load works there too
    let (image, probe) = match blob::Target::new(&target) {
        Some(target) => (
            blob::compile(&root, &out, &target),
            blob::compile_probe(&root, &out, &target),
        ),
        None => {
            fs::write(out.join("handoff.elf"), []).expect("write handoff.elf");
            (Vec::new(), None)
        }
    };
    fs::write(out.join("handoff.bin"), image).expect("write handoff.bin");
    // empty for other architectures than arm64
    fs::write(out.join("probe.bin"), probe.unwrap_or_default()).expect("write probe.bin");
}
