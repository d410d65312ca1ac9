//! Builds the freestanding payloads with `$RUSTC`, links all variants, checks
//! the results, and writes the images to `OUT_DIR`.
//!
//! No nested cargo and no C compiler: rustc makes objects, the `rust-lld` that
//! comes with it links them.

#[path = "payload/build/container.rs"]
mod container;
#[path = "payload/build/elf.rs"]
mod elf;
#[path = "payload/build/headers.rs"]
mod headers;
#[path = "payload/sha256.rs"]
mod sha256;
#[path = "payload/build/tools.rs"]
mod tools;
#[path = "payload/build/variants.rs"]
mod variants;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=payload");
    println!("cargo:rerun-if-env-changed=RUSTC");
    let tools = tools::Tools::from_env();
    variants::build_all(&tools);
}
