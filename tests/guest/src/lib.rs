//! Definitions that programs of the guests share with the tests that read their output. A package
//! of its own, with few dependencies: it is also built for other architectures.

pub mod block_digest;
pub mod known_pages;
pub mod kvm;
