//! `--drill corrupt=SEGMENT`: corruption that the handoff must detect.

use super::{Bytes, Plan};
use anyhow::bail;

impl Plan {
    /// Flips one bit in the middle of the data for segment `name` (the whole
    /// name, or a prefix), after its checksum was computed.
    ///
    /// # Errors
    ///
    /// When no loaded segment has that name; the message lists the names.
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
