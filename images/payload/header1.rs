//! The Multiboot (1) header of one variant, as a separate object file. With
//! `--cfg address` it has the load addresses.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(
    include_str!("header1.S"),
    MAGIC = const 0x1bad_b002_u32,
    // modules on page boundaries, memory information; address fields
    FLAGS = const 3 | (cfg!(address) as u32) << 16,
    ADDRESS = const cfg!(address) as u32,
);
