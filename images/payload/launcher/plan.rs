//! The launcher's plan, as a file: written on the host, read in
//! the guest. All fields little-endian.
//!
//! ```text
//! 0   magic, 8 bytes
//! 8   mode u32: 0 = LONG, 1 = DIRECT, 2 = CALL, 3 = XEN
//! 12  number of segments u32
//! 16  entry u64, physical
//! 24  levels of paging u32, 4 or 5 (LONG); eax u32, ebx u32 (DIRECT); rounds u32, state u32 (CALL);
//!     CPU u32 (XEN)
//! 32  segments, 32 bytes each: destination u64, memory size u64,
//!     offset in this file u64, size in this file u64
//! ```
//!
//! Or a series of plans, which may share contents:
//!
//! ```text
//! 0   magic, 8 bytes
//! 8   number of plans u64
//! 16  offset in this file u64 of each plan
//! ```

/// First bytes of a plan.
pub const MAGIC: [u8; 8] = *b"mbtplan1";
/// First bytes of a series.
pub const SERIES: [u8; 8] = *b"mbtserie";
/// Bytes before the offsets of a series.
pub const SERIES_LEN: usize = 16;
/// Bytes before the segments.
pub const HEADER_LEN: usize = 32;
/// Bytes per segment.
pub const SEGMENT_LEN: usize = 32;
/// Long mode as Linux's kexec leaves it.
pub const LONG: u32 = 0;
/// 32-bit protected mode without paging.
pub const DIRECT: u32 = 1;
/// Long mode, called several times; the state is compared.
pub const CALL: u32 = 2;
/// Long mode as Xen's kexec leaves it.
pub const XEN: u32 = 3;
/// CPU of [`XEN`]: the boot CPU.
pub const BOOT_CPU: u32 = 0;
/// CPU of [`XEN`]: the one with APIC id 1, while the boot CPU halts.
pub const APPLICATION_CPU: u32 = 1;
/// State of a [`CALL`]: a GDT that holds all selectors, global pages, SSE.
pub const STATE_RICH: u32 = 0;
/// State of a [`CALL`]: as Linux's kexec has it, GDT and IDT limit 0.
pub const STATE_LINUX: u32 = 1;

/// A plan in memory.
pub struct Plan<'a> {
    bytes: &'a [u8],
    /// Offset of the plan.
    at: usize,
    /// [`LONG`], [`DIRECT`], [`CALL`] or [`XEN`].
    pub mode: u32,
    /// Number of segments, all of them within the file.
    pub count: usize,
    /// Where to jump to.
    pub entry: u64,
    /// Register values for [`DIRECT`]; levels of paging for [`LONG`]; CPU for [`XEN`].
    pub eax: u32,
    /// See `eax`.
    pub ebx: u32,
}

/// One segment.
pub struct Segment<'a> {
    /// Physical address.
    pub destination: u64,
    /// Bytes there; those after `bytes` become zero.
    pub memsz: u64,
    /// Contents.
    pub bytes: &'a [u8],
}

impl<'a> Plan<'a> {
    /// Reads the header; `None` for anything that is not a whole plan.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        Self::parse_at(bytes, 0)
    }

    /// Reads plan number `n` of a series with more than `n` plans.
    pub fn nth(bytes: &'a [u8], n: usize) -> Option<Self> {
        let at = n.checked_mul(8)?.checked_add(SERIES_LEN)?;
        Self::parse_at(bytes, u64_at(bytes, at)? as usize)
    }

    fn parse_at(bytes: &'a [u8], at: usize) -> Option<Self> {
        let head = bytes.get(at..)?;
        if !head.starts_with(&MAGIC) {
            return None;
        }
        let plan = Self {
            bytes,
            at,
            mode: u32_at(head, 8)?,
            count: u32_at(head, 12)? as usize,
            entry: u64_at(head, 16)?,
            eax: u32_at(head, 24)?,
            ebx: u32_at(head, 28)?,
        };
        let all = (0..plan.count).all(|i| plan.segment(i).is_some());
        (plan.mode <= XEN && all).then_some(plan)
    }

    /// Segment number `i`.
    pub fn segment(&self, i: usize) -> Option<Segment<'a>> {
        let at = i.checked_mul(SEGMENT_LEN)?.checked_add(HEADER_LEN)?;
        let at = at.checked_add(self.at)?;
        let (offset, size) = (u64_at(self.bytes, at + 16)?, u64_at(self.bytes, at + 24)?);
        let bytes = self.bytes.get(offset as usize..)?.get(..size as usize)?;
        let (destination, memsz) = (u64_at(self.bytes, at)?, u64_at(self.bytes, at + 8)?);
        (memsz >= size).then_some(Segment {
            destination,
            memsz,
            bytes,
        })
    }
}

/// Number of plans of a series; `None` for anything else.
pub fn series(bytes: &[u8]) -> Option<u64> {
    bytes
        .starts_with(&SERIES)
        .then(|| u64_at(bytes, SERIES.len()))?
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}
