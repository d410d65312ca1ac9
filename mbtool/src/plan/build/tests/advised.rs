//! The advised reservation is sufficient at any address, and not excessive.

use super::crash_xen;
use super::*;
use crate::image::As;
use crate::image::synth::{bzimage, dom0_kernel};
use crate::plan::advice;
use proptest::prelude::*;

/// Start addresses of the region: below, in and above dom0's pseudo-physical
/// range, and at odd pages.
const STARTS: [u64; 6] = [
    MIB,
    17 * MIB + 0x5000,
    64 * MIB,
    131 * MIB,
    (512 << 20) - PAGE_SIZE,
    0x7d00_3000,
];

/// Xen with a dom0 kernel of `kernel` MiB and an initrd of `initrd` bytes. Zeros
/// are an empty archive.
fn xen(kernel: u64, initrd: usize) -> Request {
    let data = dom0_kernel(16 * MIB, (16 + kernel) * MIB);
    Request {
        modules: vec![
            module("vmlinuz", "console=hvc0", data),
            module("initrd.img", "", vec![0; initrd]),
        ],
        ..xen_request()
    }
}

/// Linux that needs `kernel` MiB.
fn linux(kernel: u64, initrd: usize) -> Request {
    let mut bytes = bzimage();
    let size = u32::try_from(kernel * MIB).unwrap();
    bytes[0x260..0x264].copy_from_slice(&size.to_le_bytes());
    let image = Image::parse_as(&bytes, "vmlinuz", As::Auto).unwrap();
    let mut request = Request::new(image);
    request.cmdline = "nr_cpus=1".to_owned();
    request.modules = vec![module("initrd", "", vec![0; initrd])];
    request
}

/// The machine of [`crash_xen`] without a reservation.
fn machine() -> Host {
    Host {
        crash_regions: vec![],
        ..crash_xen::host(r(0, PAGE_SIZE))
    }
}

fn loads(request: &Request, start: u64, bytes: u64) -> Result<Plan, PlanError> {
    let region = r(start, start + bytes);
    let mut request = request.clone();
    request.crash = Some(region);
    plan(&request, &crash_xen::host(region))
}

/// Returns the advised size, after checking that the request can be loaded at
/// every start address.
fn advised(request: &Request) -> u64 {
    let advice = advice(request, &machine()).unwrap();
    for start in STARTS {
        let loaded = loads(request, start, advice.reserve.bytes);
        loaded.unwrap_or_else(|error| panic!("{start:#x}: {error}"));
    }
    advice.reserve.bytes
}

/// Returns the smallest region, in steps of 8 MiB, that can be loaded into at
/// every other start address.
fn least(request: &Request, most: u64) -> u64 {
    const STEP: u64 = 8 * MIB;
    let enough = |steps: u64| {
        let mut starts = STARTS.iter().step_by(2);
        starts.all(|&start| loads(request, start, steps * STEP).is_ok())
    };
    let (mut too_small, mut enough_at) = (0, most / STEP);
    while enough_at - too_small > 1 {
        let middle = u64::midpoint(too_small, enough_at);
        match enough(middle) {
            true => enough_at = middle,
            false => too_small = middle,
        }
    }
    enough_at * STEP
}

#[test]
fn the_advice_for_xen_is_sufficient_and_bounded() {
    for (kernel, initrd) in [(24, 1 << 20), (90, 9 << 20)] {
        let request = xen(kernel, initrd);
        let advised = advised(&request);
        let least = least(&request, advised);
        let spare = (advised - least) / MIB;
        assert!(
            spare <= 96,
            "dom0 {kernel} MiB, initrd {initrd:#x}: {} MiB advised, {spare} MiB less load",
            advised / MIB
        );
    }
}

#[test]
fn the_advice_for_linux_includes_memory_to_run() {
    for (kernel, initrd) in [(8, 1 << 20), (64, 9 << 20)] {
        let request = linux(kernel, initrd);
        let advised = advised(&request);
        let least = least(&request, advised);
        // the initrd's files, 64 MiB, up to 32 to the next step, and what the kernel's
        // alignment can cost
        let spare = (advised - least) / MIB;
        let files = initrd as u64 / MIB;
        assert!(
            (64 + files - 8..=64 + files + 32 + 4).contains(&spare),
            "kernel {kernel} MiB, initrd {initrd:#x}: {} MiB advised, {spare} MiB less load",
            advised / MIB
        );
    }
}

#[test]
fn the_advice_does_not_depend_on_the_current_reservation() {
    for request in [xen(58, 6 << 20), linux(60, 6 << 20)] {
        let expected = advice(&request, &machine()).unwrap();
        for region in [
            r(16 * MIB, 400 * MIB),
            r(256 * MIB, 300 * MIB),
            r(FOUR_GIB, FOUR_GIB + (2 << 30)),
        ] {
            let mut request = request.clone();
            request.crash = Some(region);
            assert_eq!(
                advice(&request, &crash_xen::host(region)).unwrap(),
                expected
            );
        }
    }
}

#[test]
fn a_refusal_names_the_advised_size() {
    for request in [xen(58, 6 << 20), linux(60, 6 << 20)] {
        let advised = advice(&request, &machine()).unwrap().reserve;
        for mib in [1, 8, 60, 100] {
            let Err(error) = loads(&request, 0x5000_0000, mib * MIB) else {
                assert_eq!((mib, request.modules.len()), (100, 1));
                continue;
            };
            let text = error.to_string();
            assert!(
                text.contains(&format!("({mib} MiB) is too small"))
                    && text.contains(&format!("reserve more with {advised} on the running")),
                "{mib} MiB: {text}"
            );
        }
    }
}

#[test]
fn the_advice_includes_the_unpacked_initrd() {
    let packed = linux(60, 10 << 20);
    let small = advice(&packed, &machine()).unwrap();
    assert_eq!(small.files, 10 << 20);
    let mut unknown = packed;
    unknown.modules[0].data = vec![0xee; 10 << 20].into();
    let large = advice(&unknown, &machine()).unwrap();
    assert_eq!(large.files, 30 << 20);
    assert!(large.reserve.bytes > small.reserve.bytes);
}

/// Cases: Xen must not be placed after the initrd, where it splits dom0's only
/// block; a region may begin where alignment costs most.
#[test]
fn the_advice_is_sufficient_for_worst_case_regions() {
    let cases = [
        (16, 35, 0x33dc_9000),
        (35, 9, 0x7b1c_9000),
        (37, 13, 0x7b72_0000),
    ];
    for (kernel, initrd, start) in cases {
        let request = xen(kernel, initrd << 20);
        let bytes = advice(&request, &machine()).unwrap().reserve.bytes;
        let loaded = loads(&request, start, bytes);
        loaded.unwrap_or_else(|error| panic!("{start:#x}: {error}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn the_advised_size_can_be_loaded_at_any_start(
        page in 0x100_u64..0x9_0000, kernel in 8_u64..120, initrd in 1_usize..12, as_xen: bool,
    ) {
        let request = match as_xen {
            true => xen(kernel, initrd << 20),
            false => linux(kernel, initrd << 20),
        };
        let bytes = advice(&request, &machine()).unwrap().reserve.bytes;
        let start = (page * PAGE_SIZE).min(0xbffe_0000 - bytes) / PAGE_SIZE * PAGE_SIZE;
        let loaded = loads(&request, start, bytes);
        prop_assert!(loaded.is_ok(), "{start:#x}: {}", loaded.unwrap_err());
    }
}
