//! Device trees (Devicetree Specification v0.4): read from a blob, edited, and written.
//!
//! - `tree`: nodes, properties, memory reservations; `path`: a node with those above it;
//! - `read`, `write`: blobs;
//! - `cells`: numbers and addresses in properties, translated from bus to bus;
//! - `memory`, `cpus`, `uart`, `hypervisor`: facts for a loader;
//! - `chosen`: the tree that a Linux gets; `xen`: the one for Xen on ARM;
//! - `dts`: a tree as text; `diff`: how two differ.
//!
//! Blobs and values are untrusted input: errors name the node, the property, the value found and the expected one.

mod cells;
mod chosen;
mod cpus;
mod diff;
mod dts;
mod error;
mod hypervisor;
mod memory;
mod names;
mod path;
mod read;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod tree;
mod uart;
mod write;
mod xen;

pub use chosen::{ChosenChanges, LinuxChosen, Seeds};
pub use cpus::{Cpu, MmuMode};
pub use diff::TreeDiff;
pub use error::{DtValueError, DtValueProblem, FdtError};
pub use hypervisor::{DtHypervisor, PlatformHints};
pub use memory::{DynamicReservation, ReservedMemory};
pub use names::NAME_MAX;
pub use path::DtPath;
pub use read::{DEPTH_MAX, SIZE_MAX};
pub use tree::{DeviceTree, DtNode, DtProperty};
pub use uart::{DtUart, UartModel};
pub use xen::XenChosen;
