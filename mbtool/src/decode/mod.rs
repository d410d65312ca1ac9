//! Exception dumps in serial logs: finds, decodes, symbolizes and explains
//! them.
//!
//! bytes -> [`lines`] -> [`scan`] (dumps of mbtool, [`linux`], and others in
//! [`dumps`]; [`survey`]: [`boots`] and [`known_lines`]) -> [`report`]
//! ([`address_map`] of a plan, [`symbols`], [`disasm`], [`rules`], [`explain`]).
//!
//! Formats: docs/dump-format.md (input), docs/decode-json.md (output).

pub mod address_map;
pub mod arm64;
pub mod bits;
pub mod boots;
pub mod build_id;
pub mod disasm;
pub mod dumps;
pub mod explain;
pub mod follow;
pub mod found;
pub mod handoff_log;
pub mod known_lines;
pub mod lines;
pub mod linux;
pub mod log_line;
pub mod mca;
pub mod noise;
mod registers;
pub mod report;
pub mod riscv64;
pub mod rules;
pub mod scan;
pub mod show;
pub mod stack;
pub mod summary;
pub mod survey;
pub mod symbolizer;
pub mod symbols;
pub mod text_set;
mod uncertain;
pub mod unwrap;

/// Errors that prevent decoding.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not the output of `plan --json`.
    #[error("plan: {0}")]
    Plan(String),
    /// Unusable symbol file.
    #[error("symbols {name}: {why}")]
    Symbols {
        /// The file.
        name: String,
        /// Reason.
        why: SymbolFileProblem,
    },
}

/// Why a file has no usable symbols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SymbolFileProblem {
    /// The `object` crate cannot parse it.
    #[error("{0}")]
    Object(object::Error),
    /// No segment to load.
    #[error("no segment to load: is it a relocatable object?")]
    NoSegment,
    /// No symbols.
    #[error("no symbols: is it stripped? give the one with debug information")]
    Stripped,
}

#[cfg(test)]
mod outcome_tests;
#[cfg(test)]
mod tests;
