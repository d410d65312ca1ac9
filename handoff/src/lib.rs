//! What runs between two kernels.
#![cfg_attr(not(test), no_std)]

pub mod abi;
pub mod addr;
pub mod blob;
pub mod spec;
