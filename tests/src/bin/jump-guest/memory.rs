//! A large buffer of user memory, and its physical pages.

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};
use handoff::addr::{FOUR_GIB, MIB, PAGE_SIZE};

const LEN: usize = 64 << 20;

/// /proc/PID/pagemap: bits 0 to 54 are the page frame number, bit 63 is set if there is one.
const FRAME: u64 = (1 << 55) - 1;
const PRESENT: u64 = 1 << 63;

/// 64 MiB with distinct contents in every page.
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// Creates a buffer with all pages present.
    pub fn new() -> Self {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut bytes = Vec::with_capacity(LEN);
        while bytes.len() < LEN {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_le_bytes());
        }
        Self(bytes)
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// CRC-32 of the current contents.
    pub fn digest(&self) -> u32 {
        crc32fast::hash(black_box(&self.0))
    }

    /// Returns the physical pages of the buffer between 1 MiB and 4 GiB at this
    /// time.
    pub fn pages(&self) -> Result<Pages> {
        let first = (self.0.as_ptr().addr() as u64).div_ceil(PAGE_SIZE);
        let count = self.len() as u64 / PAGE_SIZE - 1;
        let mut raw = vec![0; count as usize * 8];
        File::open("/proc/self/pagemap")
            .and_then(|file| file.read_exact_at(&mut raw, first * 8))
            .context("cannot read /proc/self/pagemap")?;
        let mut pages = Vec::new();
        for word in raw.chunks_exact(8) {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(word);
            let word = u64::from_le_bytes(bytes);
            ensure!(word & PRESENT != 0, "a page of the buffer is not in memory");
            ensure!(
                word & FRAME != 0,
                "/proc/self/pagemap hides addresses: run as root"
            );
            pages.push((word & FRAME) * PAGE_SIZE);
        }
        pages.retain(|page| (MIB..FOUR_GIB).contains(page));
        pages.sort_unstable();
        Ok(Pages(pages))
    }
}

/// Unused physical pages, sorted.
pub struct Pages(Vec<u64>);

impl Pages {
    /// Takes `count` contiguous pages; returns the address of the first.
    pub fn take(&mut self, count: usize) -> Result<u64> {
        let last = count as u64 - 1;
        let in_a_row = |window: &[u64]| window[window.len() - 1] - window[0] == last * PAGE_SIZE;
        let at = self.0.windows(count).position(in_a_row).with_context(|| {
            format!("the buffer has no {count} physical pages in a row any more")
        })?;
        let first = self.0[at];
        self.0.drain(at..at + count);
        Ok(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_in_a_row_are_given_once() {
        let mut pages = Pages([1, 3, 4, 6, 7, 8].map(|n| n * PAGE_SIZE).into());
        assert_eq!(pages.take(3).unwrap(), 6 * PAGE_SIZE);
        assert!(pages.take(3).is_err());
        assert_eq!(pages.take(2).unwrap(), 3 * PAGE_SIZE);
        assert_eq!(pages.take(1).unwrap(), PAGE_SIZE);
        assert!(pages.take(1).is_err());
    }
}
