//! Tests the calls of `handoff::hyp` on arm.

#![no_std]
#![no_main]

#[path = "../hyp/conformance.rs"]
mod conformance;
mod machine;
