//! A table of images, with Xen's results.

use super::super::{Arch, Errno, HypercallError, ImageKind, Kexec, LoadImage, XenSegment};
use handoff::addr::{MIB, PAGE_SIZE, PhysRange};

/// An image, and Xen's result.
#[derive(Clone, Debug)]
pub struct LoadCase {
    /// Name of the case.
    pub name: String,
    /// KEXEC_TYPE_*.
    pub kind: u8,
    /// EM_*.
    pub arch: u16,
    /// Entry point: machine address.
    pub entry: u64,
    /// Contents and destination of each segment, as in [`XenSegment`].
    pub segments: Vec<(Option<Vec<u8>>, PhysRange)>,
    /// `None`: accepted.
    pub expected: Option<Errno>,
}

impl LoadCase {
    /// Loads the image by `kexec`, and unloads it if it was accepted.
    ///
    /// # Errors
    ///
    /// Xen's refusal of the image, or of unloading it.
    pub fn run(&self, kexec: &Kexec<'_>) -> Result<(), HypercallError> {
        let segments: Vec<_> = self
            .segments
            .iter()
            .map(|(data, dest)| XenSegment {
                data: data.as_deref(),
                dest: *dest,
            })
            .collect();
        let kind = if self.kind == 1 {
            ImageKind::Crash
        } else {
            ImageKind::Default
        };
        let image = LoadImage {
            kind,
            arch: Arch::X86_64,
            entry: self.entry,
            segments: &segments,
        };
        kexec.load_numbers(&image, self.kind, self.arch)?;
        kexec.unload(kind)
    }
}

/// The table for a machine with the crash area `area`, which has at least 64 MiB
/// and lies above 1 MiB. Data goes to the area, to I/O memory and to addresses
/// without memory: none of it can be in Xen's heap.
#[must_use]
pub fn load_cases(area: PhysRange) -> Vec<LoadCase> {
    // away from pages that Xen allocates itself
    let base = area.start + 16 * MIB;
    let page = |n: u64, pages: u64| PhysRange {
        start: base + n * PAGE_SIZE,
        end: base + (n + pages) * PAGE_SIZE,
    };
    let range = |start: u64, len: u64| PhysRange {
        start,
        end: start + len,
    };
    let data = |len: usize| Some(vec![0xa5; len]);
    let page_len = PAGE_SIZE as usize;
    let mapped = |count: u64| (0..count).map(|n| (None, page(2 * n, 1))).collect();

    let mut cases = Vec::new();
    for (kind, kind_name) in [(0, "default"), (1, "crash")] {
        let mut case = |name: &str, segments: Vec<_>, expected: Option<Errno>| {
            cases.push(LoadCase {
                name: format!("{kind_name}-{name}"),
                kind,
                arch: 62,
                entry: base,
                segments,
                expected,
            });
        };
        let (einval, eaddr) = (Some(Errno::EINVAL), Some(Errno::EADDRNOTAVAIL));
        case("no-segment", vec![], None);
        case("one-page", vec![(data(page_len), page(0, 1))], None);
        case("8-MiB", vec![(data(8 << 20), page(0, 2048))], None);
        case("15-segments", mapped(15), None);
        case("16-segments", mapped(16), einval);
        case(
            "start-in-page",
            vec![(data(16), range(base + 0x800, PAGE_SIZE))],
            eaddr,
        );
        case(
            "end-in-page",
            vec![(data(16), range(base, PAGE_SIZE + 0x10))],
            eaddr,
        );
        case(
            "data-overlaps-data",
            vec![(data(16), page(0, 4)), (data(16), page(3, 4))],
            einval,
        );
        case(
            "data-overlaps-mapped",
            vec![(data(16), page(0, 4)), (None, page(3, 4))],
            einval,
        );
        case(
            "mapped-overlaps-mapped",
            vec![(None, page(0, 4)), (None, page(0, 4))],
            einval,
        );
        case(
            "zeroed-overlaps-mapped",
            vec![(Some(vec![]), page(0, 4)), (None, page(2, 1))],
            einval,
        );
        case(
            "adjacent",
            vec![(data(16), page(0, 4)), (data(16), page(4, 4))],
            None,
        );
        case(
            "too-much-data",
            vec![(data(page_len + 1), page(0, 1))],
            einval,
        );
        case(
            "neither-data-nor-size",
            vec![(None, page(0, 0))],
            Some(Errno::ENOMEM),
        );
        case("no-size", vec![(Some(vec![]), page(0, 0))], None);
        case("zeroed", vec![(Some(vec![]), page(0, 4))], None);
        case("mapped", vec![(None, page(0, 4))], None);
        case(
            "mapped-mmio",
            vec![
                (None, range(0xfee0_0000, PAGE_SIZE)),
                (None, range(0xb_8000, PAGE_SIZE)),
            ],
            None,
        );
        case(
            "mapped-low",
            vec![(data(16), page(0, 1)), (None, range(0, 0xa_0000))],
            None,
        );
        let outside = if kind == 0 { None } else { eaddr };
        case(
            "data-to-mmio",
            vec![(data(16), range(0xfee0_0000, PAGE_SIZE))],
            outside,
        );
        case(
            "data-beyond-memory",
            vec![(data(16), range(1 << 39, PAGE_SIZE))],
            outside,
        );
        case(
            "zeroed-beyond-memory",
            vec![(Some(vec![]), range(1 << 39, PAGE_SIZE))],
            outside,
        );
        let unknown = cases.len();
        cases.push(LoadCase {
            name: format!("{kind_name}-arch-arm"),
            arch: 40,
            expected: Some(Errno::EINVAL),
            ..cases[unknown - 1].clone()
        });
        cases[unknown].segments = vec![(data(16), page(0, 1))];
        cases.push(LoadCase {
            name: format!("{kind_name}-arch-386"),
            arch: 3,
            expected: None,
            ..cases[unknown].clone()
        });
        cases.push(LoadCase {
            name: format!("{kind_name}-entry-outside"),
            arch: 62,
            entry: area.end + PAGE_SIZE,
            expected: if kind == 0 {
                None
            } else {
                Some(Errno::EADDRNOTAVAIL)
            },
            ..cases[unknown].clone()
        });
    }
    let last = cases[cases.len() - 1].clone();
    let mut add = |name: &str, kind, segments, expected| {
        cases.push(LoadCase {
            name: name.to_owned(),
            kind,
            entry: base,
            segments,
            expected,
            ..last.clone()
        });
    };
    add(
        "live-update",
        2,
        vec![(data(16), page(0, 1))],
        Some(Errno::EINVAL),
    );
    // all of the area except this number of pages
    let all_but = |pages: u64| {
        let start = area.start + pages * PAGE_SIZE;
        vec![(data(16), PhysRange { start, ..area })]
    };
    add("crash-area-full", 1, all_but(8), Some(Errno::ENOMEM));
    let enough = (area.len() >> 21) + 16;
    add("crash-area-pages", 1, all_but(enough), None);
    cases
}
