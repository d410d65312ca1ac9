//! Exception dumps in serial logs: found, decoded, symbolised, explained.
//!
//! bytes -> [`lines`] -> [`scan`] (ours and Linux's dumps) -> [`report`]
//! ([`address_map`] of a plan, [`symbols`], [`disasm`], [`rules`], [`explain`]).
//!
//! Formats: docs/dump-format.md (input), docs/decode-json.md (output).

pub mod address_map;
pub mod bits;
pub mod disasm;
pub mod explain;
pub mod follow;
pub mod lines;
pub mod linux;
pub mod mca;
mod registers;
pub mod report;
pub mod rules;
pub mod scan;
pub mod show;
pub mod stack;
pub mod symbolise;
pub mod symbols;
mod uncertain;

/// Why decoding cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not what `plan --json` prints.
    #[error("plan: {0}")]
    Plan(String),
    /// No symbols to be had.
    #[error("symbols {name}: {why}")]
    Symbols {
        /// The file.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

#[cfg(test)]
mod tests;
