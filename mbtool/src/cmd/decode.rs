//! `mbtool decode`: how far the boots in a serial log came, and why they failed: dumps, panics,
//! known messages.

mod error;
mod session;
mod symbol_files;

pub use error::{NothingFound, PackedLogError};

use crate::decode::address_map::AddressMap;
use crate::decode::symbols::SymbolFile;
use crate::input::InputError;
use crate::sys::output::{DataOutput, Messages};
use crate::{input, ramlog};
use anyhow::Context;
use session::Session;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Maximum size of a log or symbol file, in bytes.
const FILE_LIMIT: u64 = 2 << 30;
/// Maximum size of a compressed log when it is unpacked, in bytes.
const UNPACKED_LIMIT: u64 = 512 << 20;
/// Maximum size of a plan, in bytes.
const PLAN_LIMIT: u64 = 64 << 20;

/// A symbol file: `FILE[@ADDR]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SymbolArg {
    /// The file.
    pub path: PathBuf,
    /// Memory address of its first byte.
    pub base: Option<u64>,
}

/// Address of a RAM log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RamLogArg {
    /// In memory reserved with the running kernel's `memmap=`.
    Auto,
    /// At a physical address.
    At(u64),
}

/// Options.
#[derive(Clone, Debug, Default)]
pub struct DecodeOptions {
    /// Path of the log; `-` is standard input.
    pub log: PathBuf,
    /// Output of `plan --json`, or the directory of `--backend dir`.
    pub plan: Option<PathBuf>,
    /// Symbol files.
    pub symbols: Vec<SymbolArg>,
    /// Print JSON.
    pub json: bool,
    /// Wait for more data.
    pub follow: bool,
    /// Read the handoff's RAM log of this machine instead of `log`.
    pub ram_log: Option<RamLogArg>,
    /// Directory below which symbol files are searched by build ID; `/` if it is not given.
    pub root: Option<PathBuf>,
}

/// Runs the verb.
///
/// # Errors
///
/// When a file cannot be read or is invalid, or nothing is found in the log.
pub fn run(
    options: &DecodeOptions,
    out: &mut DataOutput,
    messages: &mut Messages,
) -> anyhow::Result<()> {
    let mut session = Session::new(options)?;
    if options.follow {
        return session.follow(&options.log, out, messages);
    }
    if let Some(place) = options.ram_log {
        let addr = match place {
            RamLogArg::Auto => None,
            RamLogArg::At(addr) => Some(addr),
        };
        return session.ram_log(&ramlog::read(Path::new("/"), addr)?, out, messages);
    }
    let bytes = match input::read(&options.log, FILE_LIMIT) {
        Err(InputError::Empty { name }) => return Err(NothingFound::Empty { name }.into()),
        bytes => bytes?,
    };
    session.file(bytes, &input::display_name(&options.log), out)
}

/// Decodes a log in memory.
///
/// # Errors
///
/// As for [`run`].
pub fn run_on(
    options: &DecodeOptions,
    log: &[u8],
    name: &str,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    Session::new(options)?.file(log.to_vec(), name, out)
}

/// Reads a plan from a file, or from `plan.json` in a directory.
fn read_plan(path: &Path) -> anyhow::Result<AddressMap> {
    let file = if path.is_dir() {
        path.join("plan.json")
    } else {
        path.to_owned()
    };
    let json = input::read(&file, PLAN_LIMIT)?;
    AddressMap::from_plan(&json).with_context(|| input::display_name(&file))
}

fn read_symbols(symbols: &SymbolArg) -> anyhow::Result<SymbolFile> {
    let bytes = input::read(&symbols.path, FILE_LIMIT)?;
    let name = symbols.path.file_name().map_or_else(
        || input::display_name(&symbols.path),
        |name| name.to_string_lossy().into_owned(),
    );
    Ok(SymbolFile::parse(&name, &bytes, symbols.base)?)
}

#[cfg(test)]
mod tests;
