use super::super::testing::{FakeHost, FakeXen};
use super::*;

const GIB: u64 = 1 << 30;

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange { start, end }
}

#[test]
fn the_memory_map_is_read_whole() {
    let xen = FakeXen::default();
    let map = XenMachine::new(&xen).memory_map().unwrap();
    assert_eq!(map, FakeHost::default().memory_map);
    xen.fail_next(op::MEMORY, memory_cmd::MACHINE_MEMORY_MAP, Errno::EPERM);
    let error = XenMachine::new(&xen).memory_map().unwrap_err().to_string();
    assert!(error.contains("dom0"), "{error}");
}

#[test]
fn the_command_line_ends_at_its_zero() {
    let line = |text: &str| {
        let setup = FakeHost {
            command_line: text.to_owned(),
            ..FakeHost::default()
        };
        XenMachine::new(&FakeXen::new(setup))
            .command_line()
            .unwrap()
    };
    assert_eq!(line("console=com1 noreboot "), "console=com1 noreboot");
    assert_eq!(line(""), "");
    assert_eq!(line(&"x".repeat(2000)).len(), 1023);
}

#[test]
fn the_version_has_three_parts() {
    let xen = FakeXen::default();
    let version = XenMachine::new(&xen).version().unwrap();
    assert_eq!(version.to_string(), "4.17.7-fake");
    assert_eq!((version.major, version.minor), (4, 17));
    let long = FakeXen::new(FakeHost {
        extra: "-a-name-without-end".to_owned(),
        ..FakeHost::default()
    });
    let version = XenMachine::new(&long).version().unwrap();
    assert_eq!(version.extra, "-a-name-without");
}

#[test]
fn a_cpu_has_an_apic_id() {
    let xen = FakeXen::default();
    let machine = XenMachine::new(&xen);
    assert_eq!(machine.apic_id(0).unwrap(), 16);
    assert_eq!(machine.apic_id(1).unwrap(), 18);
    let error = machine.apic_id(2).unwrap_err();
    assert!(matches!(error, HypercallError::Nonsense { .. }), "{error}");
}

/// A machine of 5 GiB where domains own `owned`.
fn large(owned: &[PhysRange]) -> FakeHost {
    let ram = E820Entry {
        start: 0,
        len: 5 * GIB,
        kind: 1,
    };
    FakeHost {
        memory_map: vec![ram],
        owned: owned.to_vec(),
        ..FakeHost::default()
    }
}

#[test]
fn owned_runs_are_sorted_and_merged_over_parts_of_the_table() {
    // one run over the border of two parts, one page alone, the last page
    let owned = [
        range(GIB - 0x5000, 2 * GIB + 0x3000),
        range(3 * GIB + 0x7000, 3 * GIB + 0x8000),
        range(5 * GIB - 0x1000, 5 * GIB),
    ];
    for unowned in [
        u64::MAX,
        u64::MAX - 1,
        0x5555_5555_5555_5555,
        0x7777_7777_7777_7777,
    ] {
        let xen = FakeXen::new(FakeHost {
            m2p_unowned: unowned,
            ..large(&owned)
        });
        let machine = XenMachine::new(&xen);
        assert_eq!(machine.owned_runs().unwrap(), owned, "{unowned:#x}");
    }
}

#[test]
fn ranges_are_checked_page_by_page() {
    let xen = FakeXen::new(large(&[range(GIB - 0x5000, 2 * GIB + 0x3000)]));
    let machine = XenMachine::new(&xen);
    let asked = [
        (range(GIB - 0x5000, 2 * GIB + 0x3000), true),
        (range(GIB - 0x5001, GIB), false),
        (range(2 * GIB, 2 * GIB + 0x3001), false),
        (range(2 * GIB + 0x10, 2 * GIB + 0x20), true),
        (range(7 * GIB, 7 * GIB), true),
        (range(4 * GIB, 7 * GIB), false),
        (range(u64::MAX - 1, u64::MAX), false),
    ];
    let ranges = asked.map(|(range, _)| range);
    assert_eq!(
        machine.owned(&ranges).unwrap(),
        asked.map(|(_, owned)| owned)
    );
    // a page is given back
    xen.set_owned(vec![range(GIB, 2 * GIB)]);
    assert_eq!(machine.owned(&ranges[..1]).unwrap(), [false]);
}

#[test]
fn a_hole_in_the_table_owns_nothing() {
    let all = range(0, 5 * GIB);
    let xen = FakeXen::new(FakeHost {
        m2p_holes: vec![2, 3],
        ..large(&[all])
    });
    let machine = XenMachine::new(&xen);
    let expected = [range(0, 2 * GIB), range(4 * GIB, 5 * GIB)];
    assert_eq!(machine.owned_runs().unwrap(), expected);
    let owned = machine.owned(&[all, expected[0], range(2 * GIB, 2 * GIB + 0x1000)]);
    assert_eq!(owned.unwrap(), [false, true, false]);
}

#[test]
fn free_memory_is_found_in_every_layout() {
    for sysctl in [0xa, 0x11, 0x14, 0x15, 0x16, 0x18] {
        let xen = FakeXen::new(FakeHost {
            sysctl,
            free_pages: 1234,
            ..FakeHost::default()
        });
        let free = XenMachine::new(&xen).free_heap().unwrap();
        assert_eq!(free, Some(1234 * 4096), "{sysctl:#x}");
    }
    let xen = FakeXen::new(FakeHost {
        sysctl: 0x99,
        ..FakeHost::default()
    });
    assert_eq!(XenMachine::new(&xen).free_heap(), Ok(None));
    xen.fail_next(op::SYSCTL, 0, Errno::EPERM);
    let error = XenMachine::new(&xen).free_heap().unwrap_err();
    assert_eq!(error.errno(), Some(Errno::EPERM));
}

#[test]
fn firmware_is_read_across_pages_and_ram_is_not() {
    let xen = FakeXen::new(FakeHost {
        firmware: vec![(0x413, vec![0x80, 0x02]), (0x9_fffe, vec![1, 2, 3, 4])],
        ..FakeHost::default()
    });
    let machine = XenMachine::new(&xen);
    assert_eq!(machine.read(0x413, 2).unwrap(), [0x80, 0x02]);
    assert_eq!(machine.read(0x9_fffd, 6).unwrap(), [0, 1, 2, 3, 4, 0]);
    assert_eq!(
        machine.read(0, 2 << 20).unwrap_err().errno(),
        Some(Errno::EBUSY)
    );
    assert_eq!(machine.read(0, 0).unwrap(), []);
    assert_eq!(machine.read(0xf_fff0, 16).unwrap(), [0; 16]);
    machine.read(u64::MAX, 2).unwrap_err();
}
