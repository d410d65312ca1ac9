//! `--drill corrupt=SEGMENT`: damage that the handoff must find.

use super::{Bytes, Plan};
use anyhow::bail;

impl Plan {
    /// Flips one bit in the middle of what the kernel will load for segment
    /// `name` (the whole name, or its start), after its checksum was taken.
    ///
    /// # Errors
    ///
    /// No loaded segment has that name; the message lists those there are.
    pub fn corrupt(&mut self, name: &str) -> anyhow::Result<()> {
        let segment = self
            .segments
            .iter()
            .find(|segment| !segment.data.is_empty() && segment.name.starts_with(name));
        let Some(segment) = segment else {
            let names: Vec<_> = self.segments.iter().map(|segment| &*segment.name).collect();
            bail!(
                "--drill corrupt={name}: no such segment; there are: {}",
                names.join(", ")
            );
        };
        let addr = segment.dest.start + segment.data.len() as u64 / 2;
        for kernel in &mut self.kernel_segments {
            if kernel.dest.contains(addr) {
                let mut bytes = kernel.data.to_vec();
                bytes[(addr - kernel.dest.start) as usize] ^= 1;
                kernel.data = Bytes::from(bytes);
            }
        }
        Ok(())
    }
}
