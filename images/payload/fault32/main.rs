//! A Multiboot2 image whose first instructions fault, for the handoff's
//! exception dump in protected mode.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(include_str!("fault32.S"));
