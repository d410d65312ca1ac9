//! Exception dumps in serial logs: found, decoded, symbolised, explained.
//!
//! bytes -> [`lines`] -> [`scan`] (ours and Linux's dumps) -> [`report`]
//! ([`places`] of a plan, [`symbols`], [`disasm`], [`explain`]).
//!
//! Formats: docs/dump-format.md (input), docs/decode-json.md (output).

pub mod banks;
pub mod bits;
mod by_vector;
pub mod disasm;
mod doubts;
pub mod explain;
pub mod follow;
pub mod lines;
pub mod linux;
pub mod places;
pub mod report;
pub mod scan;
pub mod show;
pub mod stack;
pub mod symbolise;
pub mod symbols;
pub mod vectors;

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
