//! The Multiboot2 header of one variant, as a separate object file. Selected by
//! `--cfg`: `address`, or `preference="none|lowest|highest"`.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(
    include_str!("header.S"),
    MAGIC = const 0xe852_50d6_u32,
    ADDRESS = const cfg!(address) as u32,
    RELOCATABLE = const cfg!(any(preference = "none", preference = "lowest", preference = "highest"))
        as u32,
    MIN = const 0x10_0000,
    MAX = const 0x3fff_ffff,
    ALIGN = const if cfg!(preference = "highest") { 0x20_0000 } else { 0x1000 },
    PREFERENCE = const if cfg!(preference = "lowest") {
        1
    } else if cfg!(preference = "highest") {
        2
    } else {
        0
    },
);
