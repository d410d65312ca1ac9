//! Executes a list on simulated memory: the reference for the assembly.

extern crate alloc;
use super::{ListError, PageMove, Walk};
use alloc::vec::Vec;

/// Simulated physical memory.
pub trait SimulatedMemory {
    /// Returns the word at `addr`; `None` if there is no memory.
    fn word(&self, addr: u64) -> Option<u64>;
    /// Copies the page at `step.from` to `step.to`.
    fn copy(&mut self, step: PageMove);
    /// Exchanges the two pages.
    fn swap(&mut self, step: PageMove);
}

/// Executes the list at `head`: copies, or exchanges.
///
/// # Errors
///
/// Errors of the walk: the list is read to its end before anything moves.
pub fn interpret(
    memory: &mut impl SimulatedMemory,
    head: u64,
    limit: u64,
    swap: bool,
) -> Result<(), ListError> {
    let steps: Vec<PageMove> =
        Walk::new(head, limit, |addr| memory.word(addr)).collect::<Result<_, _>>()?;
    for step in steps {
        if swap {
            memory.swap(step);
        } else {
            memory.copy(step);
        }
    }
    Ok(())
}
