//! Images to load (public/kexec.h).

use handoff::addr::PhysRange;

/// Maximum number of segments of an image, of any kind.
pub const MAX_SEGMENTS: usize = 15;

/// The image that an orderly exec starts, or the one for a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ImageKind {
    /// KEXEC_TYPE_DEFAULT. Loaded to free memory of Xen, moved to its
    /// destination by exec.
    Default,
    /// KEXEC_TYPE_CRASH. Loaded to its destination in the crash area.
    Crash,
}

impl ImageKind {
    /// Xen's number.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Crash => 1,
        }
    }
}

/// The mode in which Xen enters an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// EM_X86_64: long mode; only the segments' destinations are mapped.
    X86_64,
    /// EM_386: protected mode, no paging.
    I386,
}

impl Arch {
    /// Xen's number: ELF's.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::I386 => 3,
        }
    }
}

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XenSegment<'a> {
    /// Contents, followed by zeros up to the end of `dest`. `None`: the memory
    /// at `dest` is not written, only mapped when the image is entered. Empty:
    /// all of `dest` is zeroed.
    pub data: Option<&'a [u8]>,
    /// Destination, in whole pages.
    pub dest: PhysRange,
}

impl<'a> XenSegment<'a> {
    /// A segment with `data` at `dest`; without data it is only mapped.
    #[must_use]
    pub fn new(data: &'a [u8], dest: PhysRange) -> Self {
        let data = (!data.is_empty()).then_some(data);
        Self { data, dest }
    }
}

/// An image.
#[derive(Clone, Copy, Debug)]
pub struct LoadImage<'a> {
    /// Type of the image.
    pub kind: ImageKind,
    /// Entry mode.
    pub arch: Arch,
    /// Entry point: machine address.
    pub entry: u64,
    /// Segments, at most [`MAX_SEGMENTS`], not overlapping, even if they are
    /// only mapped.
    pub segments: &'a [XenSegment<'a>],
}
