//! Numbers of hypercalls, and little-endian fields in buffers.

/// Numbers of hypercalls (public/xen.h).
pub mod op {
    /// platform_op.
    pub const PLATFORM: u64 = 7;
    /// memory_op.
    pub const MEMORY: u64 = 12;
    /// xen_version.
    pub const VERSION: u64 = 17;
    /// sched_op.
    pub const SCHED: u64 = 29;
    /// sysctl.
    pub const SYSCTL: u64 = 35;
    /// kexec_op.
    pub const KEXEC: u64 = 37;
}

/// The `N` bytes at `at`; zeros where the buffer ends before.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    at.checked_add(N)
        .and_then(|end| bytes.get(at..end))
        .and_then(|part| part.try_into().ok())
        .unwrap_or([0; N])
}

/// The 32-bit number at `at`.
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

/// The 64-bit number at `at`.
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}
