//! The last page of a firmware that does nothing but start a Multiboot kernel.
#![no_std]
#![expect(unsafe_code)]

core::arch::global_asm!(include_str!("reset.S"));
