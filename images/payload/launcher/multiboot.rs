//! The Multiboot1 boot information, as far as the launcher needs it
//! (Multiboot specification 0.6.96, section 3.3).

use crate::entry::State;
use crate::memory;

/// EAX at entry.
const MAGIC: u32 = 0x2bad_b002;
/// Flag: module fields are valid.
const HAS_MODULES: u32 = 1 << 3;
/// Flag: memory map fields are valid.
const HAS_MEMORY_MAP: u32 = 1 << 6;

/// The fixed part.
pub struct Info {
    bytes: &'static [u8],
    flags: u32,
}

impl Info {
    /// `None` if by EAX there is none.
    pub fn new(state: &State) -> Option<Self> {
        let bytes = memory::bytes(state.ebx.into(), 116)?;
        (state.eax == MAGIC).then_some(Self {
            bytes,
            flags: u32_at(bytes, 0)?,
        })
    }

    /// Contents of module 0.
    pub fn first_module(&self) -> Option<&'static [u8]> {
        if self.flags & HAS_MODULES == 0 || u32_at(self.bytes, 20)? == 0 {
            return None;
        }
        let entry = memory::bytes(u32_at(self.bytes, 24)?.into(), 16)?;
        let (start, end) = (u32_at(entry, 0)?, u32_at(entry, 4)?);
        memory::bytes(start.into(), end.checked_sub(start)?.into())
    }

    /// Start and length of every range of RAM.
    pub fn ram(&self) -> impl Iterator<Item = (u64, u64)> {
        let map = self.memory_map().unwrap_or(&[]);
        let mut at = 0;
        core::iter::from_fn(move || {
            let entry = map.get(at..)?;
            at += u32_at(entry, 0)? as usize + 4; // the size field is not counted
            Some((u32_at(entry, 20)?, u64_at(entry, 4)?, u64_at(entry, 12)?))
        })
        .filter(|&(kind, ..)| kind == 1)
        .map(|(_, base, length)| (base, length))
    }

    fn memory_map(&self) -> Option<&'static [u8]> {
        if self.flags & HAS_MEMORY_MAP == 0 {
            return None;
        }
        memory::bytes(
            u32_at(self.bytes, 48)?.into(),
            u32_at(self.bytes, 44)?.into(),
        )
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}
