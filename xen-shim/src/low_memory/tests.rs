use super::*;
use handoff::addr::{PAGE_SIZE, PhysRange};
use handoff::spec::{Fixup, OnCpu};
use proptest::prelude::*;

fn r(start: u64, end: u64) -> PhysRange {
    PhysRange::new(start, end).unwrap()
}

const UEFI: LowMemoryState = LowMemoryState {
    ebda_segment: Some(0),
    base_kib: Some(0),
    mem_lower_kib: 640,
    rsdp: Some(RsdpLocation {
        addr: 0x7f5d_e014,
        len: 36,
    }),
    rsdp_in_low_memory: false,
    efi: true,
};
const BIOS: LowMemoryState = LowMemoryState {
    ebda_segment: Some(0x9fc0),
    base_kib: Some(639),
    mem_lower_kib: 639,
    rsdp: Some(RsdpLocation {
        addr: 0xf5a40,
        len: 20,
    }),
    rsdp_in_low_memory: true,
    efi: false,
};

#[test]
fn computed_addresses_match_measured_ones() {
    // QEMU, SeaBIOS: pages 0x8f000-0x9f000
    assert_eq!(trampoline(0x9fc0, 639, 639), Ok(r(0x8f000, 0x9f000)));
    // both words zero: 0xffff0000, whatever mem_lower says
    assert_eq!(trampoline(0, 0, 640).unwrap_err().start, 0xffff_0000);
    assert_eq!(trampoline(0, 0, 0).unwrap_err().start, 0xffff_0000);
    // EBDA zero, base memory right
    assert_eq!(trampoline(0, 640, 0), Ok(r(0x90000, 0xa0000)));
    // invalid values, with and without a valid mem_lower
    assert_eq!(trampoline(0xffff, 0xffff, 640), Ok(r(0x90000, 0xa0000)));
    assert!(trampoline(0xffff, 0xffff, 0).is_err());
    // mem_lower only ever lowers, and is ignored below 256
    assert_eq!(trampoline(0x9fc0, 639, 512), Ok(r(0x70000, 0x80000)));
    assert_eq!(trampoline(0x9fc0, 639, 255), Ok(r(0x8f000, 0x9f000)));
}

#[test]
fn a_bios_machine_is_not_changed() {
    let decision = decide(&BIOS, &[r(0, 0x9fc00)]).unwrap();
    assert_eq!(decision.fix, None);
    assert_eq!(decision.trampoline, Some(r(0x8f000, 0x9f000)));
    assert_eq!(decision.warnings, []);
}

#[test]
fn a_uefi_machine_gets_an_ebda_with_the_rsdp() {
    let decision = decide(&UEFI, &[r(0, 0xa0000)]).unwrap();
    let fix = decision.fix.unwrap();
    assert_eq!(fix.ebda, 0x9f000);
    assert_eq!(fix.base_kib, 636);
    assert_eq!(
        fix.rsdp,
        Some(RsdpCopy {
            from: 0x7f5d_e014,
            to: 0x9f010,
            len: 36,
            other_cpu: None,
        })
    );
    assert_eq!(
        fix.fixups(),
        [
            Fixup::Zero {
                addr: 0x9f000,
                len: 4096
            },
            Fixup::Store16 {
                addr: 0x9f000,
                value: 4
            },
            Fixup::CopyRsdp {
                from: 0x7f5d_e014,
                to: 0x9f010,
                len: 36,
                on: OnCpu::Any,
            },
            Fixup::Store16 {
                addr: 0x40e,
                value: 0x9f00
            },
            Fixup::Store16 {
                addr: 0x413,
                value: 636
            },
        ]
    );
    assert_eq!(decision.trampoline, Some(r(0x8f000, 0x9f000)));
}

#[test]
fn unreadable_values_are_zero_on_uefi_and_trusted_on_bios() {
    let none = LowMemoryState {
        ebda_segment: None,
        base_kib: None,
        ..UEFI
    };
    assert!(decide(&none, &[r(0, 0xa0000)]).unwrap().fix.is_some());
    let bios = LowMemoryState {
        ebda_segment: None,
        base_kib: None,
        ..BIOS
    };
    let decision = decide(&bios, &[r(0, 0x9fc00)]).unwrap();
    assert_eq!((decision.fix, decision.trampoline), (None, None));
    assert_eq!(decision.warnings, [LowMemoryWarning::NoBda]);
}

#[test]
fn an_rsdp_outside_of_the_scan_needs_a_fix() {
    let facts = LowMemoryState {
        rsdp_in_low_memory: false,
        ..BIOS
    };
    let fix = decide(&facts, &[r(0, 0x9fc00)]).unwrap().fix.unwrap();
    assert_eq!(fix.ebda, 0x9e000);
}

#[test]
fn the_rsdp_itself_is_not_overwritten() {
    let facts = LowMemoryState {
        rsdp: Some(RsdpLocation {
            addr: 0x9d008,
            len: 36,
        }),
        ..UEFI
    };
    let fix = decide(&facts, &[r(0, 0xa0000)]).unwrap().fix.unwrap();
    assert_eq!(fix.ebda, 0x9c000);
    assert_eq!(fix.trampoline().end, 0x9c000);
}

#[test]
fn a_missing_rsdp_is_a_warning() {
    let facts = LowMemoryState {
        rsdp: None,
        rsdp_in_low_memory: false,
        ..BIOS
    };
    let decision = decide(&facts, &[r(0, 0x9fc00)]).unwrap();
    assert_eq!(decision.fix, None);
    assert_eq!(decision.warnings, [LowMemoryWarning::NoRsdp]);
    let facts = LowMemoryState { rsdp: None, ..UEFI };
    let decision = decide(&facts, &[r(0, 0xa0000)]).unwrap();
    assert_eq!(decision.fix.unwrap().rsdp, None);
}

#[test]
fn a_trampoline_outside_ram_is_moved() {
    let facts = LowMemoryState {
        ebda_segment: Some(0x9fc0),
        rsdp_in_low_memory: true,
        ..UEFI
    };
    let fix = decide(&facts, &[r(0, 0x87000), r(0x88000, 0xa0000)]).unwrap();
    assert_eq!(fix.fix, None);
    let fix = decide(&facts, &[r(0, 0x87000), r(0x90000, 0xa0000)])
        .unwrap()
        .fix
        .unwrap();
    assert_eq!(fix.ebda, 0x86000);
}

#[test]
fn the_error_lists_the_ram_below_1_mib() {
    for ram in [vec![r(0x1000, 0x10000), r(0x90000, 0xa0000)], vec![]] {
        let error = decide(&UEFI, &ram).unwrap_err();
        assert_eq!(error, NoLowMemory { need: 68, ram });
    }
}

/// RAM below 1 MiB as sorted, merged, page-granular runs.
fn runs() -> impl Strategy<Value = Vec<PhysRange>> {
    proptest::collection::vec(any::<bool>(), 160).prop_map(|pages| {
        // few holes: a page is missing only if two neighbors are
        let mut runs: Vec<PhysRange> = Vec::new();
        for (index, pair) in pages.chunks(2).enumerate() {
            if index % 7 == 0 && pair.iter().all(|&missing| missing) {
                continue;
            }
            let start = index as u64 * 0x2000;
            match runs.last_mut() {
                Some(run) if run.end == start => run.end += 0x2000,
                _ => runs.push(r(start, start + 0x2000)),
            }
        }
        runs
    })
}

proptest! {
    /// After the changes, Xen's computation results in the planned address.
    #[test]
    fn a_fix_is_what_xen_will_compute(ram in runs(), ebda in any::<u16>(), kib in any::<u16>()) {
        let facts = LowMemoryState { ebda_segment: Some(ebda), base_kib: Some(kib), ..UEFI };
        match decide(&facts, &ram) {
            Ok(Decision { fix: Some(fix), .. }) => {
                let mem_lower = u32::from(fix.base_kib);
                let xen = trampoline(fix.ebda_segment(), fix.base_kib, mem_lower).unwrap();
                prop_assert_eq!(xen, fix.trampoline());
                let all = r(xen.start, fix.page().end);
                prop_assert!(ram.iter().any(|run| run.covers(&all)));
                // no higher page is possible
                let higher = (fix.ebda + PAGE_SIZE..BASE_END).step_by(PAGE_SIZE as usize);
                for page in higher {
                    let all = r(page - TRAMPOLINE_LEN, page + PAGE_SIZE);
                    prop_assert!(!ram.iter().any(|run| run.covers(&all)));
                }
            }
            Ok(Decision { fix: None, .. }) => prop_assert!(false, "the RSDP is out of reach"),
            Err(_) => {
                for page in (0x40000..BASE_END).step_by(PAGE_SIZE as usize) {
                    let all = r(page - TRAMPOLINE_LEN, page + PAGE_SIZE);
                    prop_assert!(!ram.iter().any(|run| run.covers(&all)));
                }
            }
        }
    }

    /// The result is never outside of base memory, and matches the plausible range.
    #[test]
    fn the_rule_is_safe(ebda in any::<u16>(), kib in any::<u16>(), lower in 0_u32..=1024) {
        match trampoline(ebda, kib, lower) {
            Ok(range) => {
                prop_assert_eq!(range.len(), TRAMPOLINE_LEN);
                prop_assert_eq!(range.start % PAGE_SIZE, 0);
                prop_assert!(range.end <= BASE_END && range.start >= PAGE_SIZE);
            }
            Err(_) => {
                let sane = (0x4000..0xa000).contains(&ebda) || (256..=640).contains(&kib);
                prop_assert!(!sane);
            }
        }
    }
}
