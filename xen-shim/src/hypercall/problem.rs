//! The rule that a refused image violates.

use super::Errno;
use super::image::{Arch, ImageKind, LoadImage, MAX_SEGMENTS, XenSegment};
use crate::fix::{Fix, Remedy, tail};
use handoff::addr::{PAGE_SIZE, PhysRange};

/// The rule that an image violates (xen/common/kimage.c). Xen returns only an
/// error number; this is the rule that matches number and image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadProblem {
    /// More than [`MAX_SEGMENTS`].
    #[error("it has {} segments, and Xen accepts at most {MAX_SEGMENTS}{}", .0, tail(self.fix()))]
    TooManySegments(usize),
    /// A destination does not begin and end at page boundaries.
    #[error(
        "the destination {1} of segment {0} does not begin and end at multiples of {PAGE_SIZE:#x}"
    )]
    Unaligned(usize, PhysRange),
    /// Two destinations share memory.
    #[error(
        "segments {0} and {1} overlap at {2}, which Xen refuses also for segments without data"
    )]
    Overlap(usize, usize, PhysRange),
    /// More data than its destination holds.
    #[error("segment {segment} has {data:#x} bytes of data for its destination {dest}")]
    TooMuchData {
        /// Which segment.
        segment: usize,
        /// Bytes of data.
        data: u64,
        /// Where.
        dest: PhysRange,
    },
    /// Neither data nor destination: Xen returns ENOMEM.
    #[error("segment {} at {:#x} has neither data nor a size{}", .0, .1.start, tail(self.fix()))]
    Empty(usize, PhysRange),
    /// An unknown image type.
    #[error("unknown image type {0}")]
    Kind(u8),
    /// An architecture that Xen does not know.
    #[error("Xen enters images in 32-bit mode (EM_386, 3) and long mode (EM_X86_64, 62), not {0}")]
    Arch(u16),
    /// A crash image is entered outside of the crash area.
    #[error("the entry {entry:#x} is outside of the crash area {area}")]
    EntryOutside {
        /// The entry.
        entry: u64,
        /// The crash area.
        area: PhysRange,
    },
    /// A segment of a crash image has data outside of the crash area.
    #[error(
        "segment {segment} has data for {dest}, outside of the crash area {area}, where only \
         segments without data may be"
    )]
    DataOutside {
        /// Which segment.
        segment: usize,
        /// Where to.
        dest: PhysRange,
        /// The crash area.
        area: PhysRange,
    },
    /// No crash area is reserved.
    #[error("no memory is reserved for a crash image{}", tail(self.fix()))]
    NoCrashArea,
    /// The crash area has not enough free pages for Xen.
    #[error(
        "Xen puts control pages and page tables into the crash area {} as well, and too few pages \
         are free there: it needs 16, and one for every 2 MiB that the segments span{}",
        .0,
        tail(self.fix())
    )]
    CrashAreaFull(PhysRange),
    /// Xen has no memory for the image.
    #[error(
        "Xen has too little free memory: it needs as much as the image's data, and one page more \
         per 2 MiB{}",
        tail(self.fix())
    )]
    NoMemory,
    /// Xen could not read the request.
    #[error(
        "it could not read the request: dom0 moved or swapped the memory, which \
         /dev/xen/hypercall prevents (Linux 4.18 or newer){}",
        tail(self.fix())
    )]
    Fault,
    /// Not a paravirtualized control domain, or a Xen without kexec.
    #[error(
        "Xen offers the kexec hypercall to a paravirtualized (PV) dom0 only, not to a PVH dom0, \
         and not if it was built without kexec{}",
        tail(self.fix())
    )]
    NoKexec,
    /// Not the control domain.
    #[error("Xen allows this to the control domain only (and XSM may forbid it){}", tail(self.fix()))]
    NotAllowed,
    /// An image is being started.
    #[error("an image is being started, or Xen is crashing")]
    Busy,
    /// No known rule.
    #[error("the request breaks no known rule of Xen{}", tail(self.fix()))]
    Unknown,
}

impl Fix for LoadProblem {
    fn fix(&self) -> Remedy {
        let fix = match self {
            Self::TooManySegments(_) => "merge some",
            Self::Empty(..) => "leave it out",
            Self::NoCrashArea => {
                "`mbtool crash size` prints the crashkernel= parameter for Xen's command line"
            }
            Self::CrashAreaFull(_) => "`mbtool crash size` prints a sufficient crashkernel=",
            Self::NoMemory => {
                "make dom0 smaller (`xl mem-set 0 SIZE`, or dom0_mem=SIZE on Xen's command line) or \
                 shut down a guest"
            }
            Self::Fault => "try again",
            Self::NoKexec => "boot dom0 as PV (without dom0=pvh)",
            Self::NotAllowed => "run mbtool in dom0",
            Self::Unknown => "see `xl dmesg`",
            Self::Unaligned(..)
            | Self::Overlap(..)
            | Self::TooMuchData { .. }
            | Self::Kind(_)
            | Self::Arch(_)
            | Self::EntryOutside { .. }
            | Self::DataOutside { .. }
            | Self::Busy => return None,
        };
        Some(fix.into())
    }
}

/// Returns the first rule that `image` violates, in the order of Xen's checks,
/// and Xen's error number. `area` is the crash area, empty if there is none.
pub(super) fn broken_rule(
    image: &LoadImage<'_>,
    kind: u8,
    arch: u16,
    area: Option<PhysRange>,
) -> Option<(Errno, LoadProblem)> {
    let segments = image.segments;
    let numbered = || segments.iter().enumerate();
    if segments.len() > MAX_SEGMENTS {
        let problem = LoadProblem::TooManySegments(segments.len());
        return Some((Errno::EINVAL, problem));
    }
    if kind > ImageKind::Crash.number() {
        return Some((Errno::EINVAL, LoadProblem::Kind(kind)));
    }
    if kind == ImageKind::Crash.number()
        && let Some(problem) = area.and_then(|area| outside(image, area))
    {
        return Some((Errno::EADDRNOTAVAIL, problem));
    }
    if let Some((n, segment)) = numbered().find(|(_, segment)| {
        let PhysRange { start, end } = segment.dest;
        !(start | end).is_multiple_of(PAGE_SIZE)
    }) {
        let problem = LoadProblem::Unaligned(n, segment.dest);
        return Some((Errno::EADDRNOTAVAIL, problem));
    }
    let too_much = || numbered().find_map(|(n, segment)| too_much(n, segment));
    if let Some(problem) = overlap(segments).or_else(too_much) {
        return Some((Errno::EINVAL, problem));
    }
    if let Some((n, segment)) =
        numbered().find(|(_, segment)| segment.data.is_none() && segment.dest.is_empty())
    {
        return Some((Errno::ENOMEM, LoadProblem::Empty(n, segment.dest)));
    }
    let known = [Arch::X86_64, Arch::I386].map(Arch::number);
    (!known.contains(&arch)).then_some((Errno::EINVAL, LoadProblem::Arch(arch)))
}

/// Returns the rule that `image` violates, or the exhausted resource, for Xen's error
/// `errno`.
pub(super) fn load_problem(
    errno: Errno,
    image: &LoadImage<'_>,
    kind: u8,
    arch: u16,
    area: Option<PhysRange>,
) -> LoadProblem {
    if let Some((expected, problem)) = broken_rule(image, kind, arch, area)
        && expected == errno
    {
        return problem;
    }
    match (errno, area) {
        (Errno::ENOMEM, Some(area)) if kind == ImageKind::Crash.number() => {
            LoadProblem::CrashAreaFull(area)
        }
        (Errno::ENOMEM, _) => LoadProblem::NoMemory,
        (Errno::EFAULT, _) => LoadProblem::Fault,
        (Errno::ENOSYS, _) => LoadProblem::NoKexec,
        (Errno::EPERM | Errno::EACCES, _) => LoadProblem::NotAllowed,
        (Errno::EBUSY, _) => LoadProblem::Busy,
        _ => LoadProblem::Unknown,
    }
}

fn overlap(segments: &[XenSegment<'_>]) -> Option<LoadProblem> {
    segments.iter().enumerate().find_map(|(b, segment)| {
        let mut before = segments[..b].iter().enumerate();
        before.find_map(|(a, other)| {
            let shared = other.dest.intersect(&segment.dest)?;
            Some(LoadProblem::Overlap(a, b, shared))
        })
    })
}

fn too_much(n: usize, segment: &XenSegment<'_>) -> Option<LoadProblem> {
    let data = segment.data?.len() as u64;
    (data > segment.dest.len()).then_some(LoadProblem::TooMuchData {
        segment: n,
        data,
        dest: segment.dest,
    })
}

fn outside(image: &LoadImage<'_>, area: PhysRange) -> Option<LoadProblem> {
    if area.is_empty() {
        return Some(LoadProblem::NoCrashArea);
    }
    let entry = image.entry;
    // Xen accepts the end too
    if entry < area.start || entry > area.end {
        return Some(LoadProblem::EntryOutside { entry, area });
    }
    let mut segments = image.segments.iter().enumerate();
    segments.find_map(|(n, segment)| {
        let inside = segment.data.is_none() || area.covers(&segment.dest);
        (!inside).then_some(LoadProblem::DataOutside {
            segment: n,
            dest: segment.dest,
            area,
        })
    })
}
