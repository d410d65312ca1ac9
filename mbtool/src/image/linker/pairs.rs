//! High parts of distances, by the place of the instruction that has them.

use std::collections::HashMap;

/// Distances of which an `auipc` has the high part, by section and offset in the linked section.
#[derive(Debug, Default)]
pub(super) struct HighParts {
    distances: HashMap<(usize, u64), i64>,
}

impl HighParts {
    /// Notes the distance of an instruction.
    pub(super) fn insert(&mut self, section: usize, offset: u64, distance: i64) {
        self.distances.insert((section, offset), distance);
    }

    /// The distance of the instruction at a label.
    pub(super) fn at(&self, section: usize, offset: u64) -> Option<i64> {
        self.distances.get(&(section, offset)).copied()
    }
}
