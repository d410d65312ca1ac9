//! The Multiboot (1) header of one variant, as an object file of its own. With
//! `--cfg address` it gives all addresses itself.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(
    include_str!("header1.S"),
    MAGIC = const 0x1bad_b002_u32,
    // modules on page boundaries, memory information; address fields
    FLAGS = const 3 | (cfg!(address) as u32) << 16,
    ADDRESS = const cfg!(address) as u32,
);
