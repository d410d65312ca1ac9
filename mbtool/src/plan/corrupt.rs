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
        let loaded = self
            .segments
            .iter()
            .filter(|segment| !segment.data.is_empty());
        let Some(segment) = loaded
            .clone()
            .find(|segment| segment.name.starts_with(name))
        else {
            let names: Vec<_> = loaded.map(|segment| &*segment.name).collect();
            bail!(
                "--drill corrupt={name}: no loaded segment has that name; there are: {}",
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
