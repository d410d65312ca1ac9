//! What runs between two kernels.
#![cfg_attr(not(test), no_std)]

pub mod addr;
