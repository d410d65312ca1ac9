//! A Multiboot2 image whose first instructions fault, for the exception dump
//! that the handoff leaves behind in protected mode.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(include_str!("fault32.S"));
