//! Builds `handoff.bin` (flat image) and `handoff.elf` (symbols) in OUT_DIR.

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
    let image = match blob::Target::new(&target) {
        Some(target) => blob::compile(&root, &out, &target),
        None => {
            fs::write(out.join("handoff.elf"), []).expect("write handoff.elf");
            Vec::new()
        }
    };
    fs::write(out.join("handoff.bin"), image).expect("write handoff.bin");
}
