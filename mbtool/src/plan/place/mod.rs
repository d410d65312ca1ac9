//! Which address everything gets.
//!
//! - [`allocatable`]: the RAM that may be loaded into;
//! - [`allocator`]: free ranges, and what is asked of them;
//! - [`layout`]: image, modules, boot information and handoff, placed;
//! - [`relocated`]: an image that only the handoff can put in its place;
//! - [`resolve`]: segments as the loading kernel takes them.

pub(super) mod allocatable;
pub mod allocator;
pub(super) mod layout;
pub(super) mod relocated;
pub mod resolve;
