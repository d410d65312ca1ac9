//! The parameter block shared by the host side and the blob.

/// Bytes kept of a segment name.
pub const NAME_LEN: usize = 32;
/// Most regions that one handoff verifies.
pub const MAX_REGIONS: usize = 32;
/// Most fix-ups.
pub const MAX_FIXUPS: usize = 16;
