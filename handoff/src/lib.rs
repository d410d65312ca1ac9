//! What runs between two kernels.
#![cfg_attr(not(test), no_std)]

pub mod addr;
pub mod abi;
pub mod blob;
pub mod spec;
