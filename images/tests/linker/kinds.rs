//! All relocation types in one object.

#![no_std]

core::arch::global_asm!(include_str!("kinds.S"));
