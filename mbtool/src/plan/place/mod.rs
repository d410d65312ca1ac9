//! Chooses the addresses of all segments.
//!
//! - `allocatable`: RAM that may be loaded into;
//! - [`allocator`]: free ranges, and requests for them; `error`: requests that fail;
//! - `image`: constraints on the address of the image;
//! - `layout`: image, modules, boot information and handoff with their
//!   addresses;
//! - [`dt`]: a kernel with a device tree, and all that it gets; `packing`: several parts at once;
//! - `relocated`: an image that only the handoff can move to its address;
//! - `sides`: above or below 4 GiB; `refusal`: why no side has a place;
//! - [`resolve`]: segments in the form that the loading kernel accepts.

pub(super) mod allocatable;
pub mod allocator;
pub mod dt;
pub(super) mod error;
pub(super) mod image;
pub(super) mod layout;
mod packing;
mod refusal;
pub(super) mod relocated;
pub mod resolve;
mod sides;
