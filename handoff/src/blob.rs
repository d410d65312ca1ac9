//! The blob that mbtool loads and the old kernel jumps to.

extern crate alloc;
use crate::abi;
use crate::spec::OnFault;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

pub mod dt;
mod exit;
#[cfg(not(target_arch = "x86_64"))]
mod foreign;
#[cfg(target_arch = "x86_64")]
mod high;
#[cfg(target_arch = "x86_64")]
mod image;
mod limits;
mod moves;
#[cfg(target_arch = "x86_64")]
mod native;
#[cfg(target_arch = "x86_64")]
mod params;
mod regions;
mod sinks;
#[cfg(target_arch = "x86_64")]
mod tables;

pub use exit::{MULTIBOOT1_MAGIC, MULTIBOOT2_MAGIC};
#[cfg(not(target_arch = "x86_64"))]
pub use foreign::{bounce, build, memsz};
#[cfg(target_arch = "x86_64")]
pub use image::{bounce, header, memsz};
#[cfg(target_arch = "x86_64")]
pub use native::build;

/// The flat image for the architecture that this library was built for, as linked: header, code,
/// constants. The area follows in memory only.
pub static IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/handoff.bin"));

/// ELF file of [`IMAGE`] with symbols and line numbers, for `decode --symbols`.
pub static ELF: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/handoff.elf"));

/// The probe image for the architecture that this library was built for, an arm64 `Image`; empty on
/// others.
pub static PROBE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/probe.bin"));

/// The blob with its parameters filled in, ready to be a segment.
#[derive(Clone, Debug)]
pub struct Built {
    /// Bytes to load at the base address.
    pub bytes: Vec<u8>,
    /// Memory size in bytes (stacks follow the loaded part); a multiple of the page size.
    pub memsz: u64,
    /// Physical address to jump to; on x86_64 in long mode.
    pub entry: u64,
}

impl Built {
    /// Takes the place of a blob in a plan, where this library was built for another architecture.
    const fn absent(base: u64, memsz: u64) -> Self {
        Self {
            bytes: Vec::new(),
            memsz,
            entry: base,
        }
    }

    /// True when this library has no blob for the architecture of the plan.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Returns what is loaded: the image, then parameters and tables, each with its offset.
fn lay_out(image: &[u8], params: (usize, &[u8]), tables: (usize, &[u8])) -> Vec<u8> {
    let mut bytes = image.to_vec();
    for (at, part) in [params, tables] {
        bytes.resize(at, 0);
        bytes.extend(part);
    }
    bytes
}

/// Returns an error if there are more than `max` of something.
fn too_many(what: &str, count: usize, max: usize) -> Result<(), String> {
    if count > max {
        return Err(format!("{count} {what}, the handoff accepts at most {max}"));
    }
    Ok(())
}

/// Returns the parameter of an action.
const fn on_fault(on_fault: OnFault) -> u32 {
    match on_fault {
        OnFault::Halt => abi::ON_FAULT_HALT,
        OnFault::Reset => abi::ON_FAULT_RESET,
    }
}
