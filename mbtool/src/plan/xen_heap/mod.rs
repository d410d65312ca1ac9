//! Loading with a Xen that loses data for pages in its free heap (docs/xen-kexec-defect.md).
//!
//! - [`strategy`]: how to load past the free heap;
//! - [`staging`]: segments loaded away from their final address and moved by the handoff;
//! - [`scatter`]: one segment in many safe ranges;
//! - [`zero_tail`]: trailing zeros are cleared by the handoff, not loaded.

pub(super) mod scatter;
pub(super) mod staging;
pub(super) mod strategy;
pub(super) mod zero_tail;
