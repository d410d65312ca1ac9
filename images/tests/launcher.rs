//! State that the launcher establishes, from QEMU's exception log: the target's
//! first instruction faults, and there is no IDT.

mod support;

use images::launch::{self, plan};
use support::run;

/// Address of the code.
const ENTRY: u64 = 0x700_0000;

/// Returns QEMU's record of the first exception of `code`.
fn first_exception(code: &[u8]) -> String {
    record(&launch::pack(&[(ENTRY, 0x1000, code)], ENTRY))
}

/// Returns QEMU's record of the first exception of a plan.
fn record(plan: &[u8]) -> String {
    let run = run(plan, None);
    let mut records = run.exceptions.split("check_exception");
    let page = format!("pc={:013x}", ENTRY >> 12);
    match records.find(|record| record.contains(&page)) {
        Some(first) => first.to_string(),
        None => panic!("no exception at {ENTRY:#x}:\n{}", run.exceptions),
    }
}

#[test]
fn long_mode_is_as_linux_leaves_it() {
    let record = first_exception(&[0x0f, 0x0b]); // ud2
    assert!(record.contains("v=06"), "{record}");
    let general = [
        "RAX", "RBX", "RCX", "RDX", "RSI", "RDI", "RBP", "R8 ", "R9 ", "R10", "R11",
    ];
    for name in general.into_iter().chain(["R12", "R13", "R14", "R15"]) {
        assert!(
            record.contains(&format!("{name}=0000000000000000")),
            "{name}: {record}"
        );
    }
    let selectors = [
        "CS =0010", "DS =0018", "ES =0018", "FS =0018", "GS =0018", "SS =0018",
    ];
    let control = [
        "CR0=80000033",
        "CR4=00000020",
        "EFER=0000000000000d01",
        "RFL=00000046",
    ];
    let tables = [
        "TR =0040",
        "GDT=     0000000000000000 00000000",
        "IDT=     0000000000000000 00000000",
    ];
    for text in selectors.into_iter().chain(control).chain(tables) {
        assert!(record.contains(text), "{text}: {record}");
    }
    let stack = record.split("RSP=").nth(1).unwrap();
    assert!(stack[..16].ends_with("ff8"), "{record}");
}

#[test]
fn device_memory_is_not_mapped_and_sse_is_off() {
    // mov eax, 0xfee00020; mov eax, [rax]
    let record = first_exception(&[0xb8, 0x20, 0x00, 0xe0, 0xfe, 0x8b, 0x00]);
    assert!(
        record.contains("v=0e") && record.contains("CR2=00000000fee00020"),
        "{record}"
    );
    // xorps xmm0, xmm0
    let record = first_exception(&[0x0f, 0x57, 0xc0]);
    assert!(record.contains("v=06"), "{record}");
}

#[test]
fn long_mode_is_as_xen_leaves_it() {
    let plan = |code: &[u8]| launch::pack_xen(&[(ENTRY, 0x1000, code)], ENTRY, plan::BOOT_CPU);
    let state = record(&plan(&[0x0f, 0x0b])); // ud2
    assert!(state.contains("v=06"), "{state}");
    for text in [
        "CS =e008", "DS =0000", "ES =0000", "FS =0000", "GS =0000", "SS =0000", "TR =e040",
    ]
    .into_iter()
    .chain(["CR0=80000033", "CR4=00000020", "EFER=0000000000000d01"])
    .chain([
        "GDT=     ffff82d0ffff2000 0000efff",
        "IDT=     ffff82d040345000 00000fff",
    ])
    .chain([
        "RBP=0000000007000000",
        "RDI=ffff82d040000000",
        "R15=ffff82d040000000",
    ]) {
        assert!(state.contains(text), "{text}: {state}");
    }
    let stack = state.split("RSP=").nth(1).unwrap();
    assert!(stack[..16].ends_with("078"), "{state}");
    // mov eax, [page after the segment], [page 0], [one page below the stack's]
    for (code, cr2) in [
        (
            &[0x8b, 0x04, 0x25, 0x00, 0x10, 0x00, 0x07][..],
            "CR2=0000000007001000",
        ),
        (
            &[0x8b, 0x04, 0x25, 0x00, 0x00, 0x00, 0x00][..],
            "CR2=0000000000000000",
        ),
        (&[0x8b, 0x84, 0x24, 0x00, 0xf0, 0xff, 0xff][..], "078"),
    ] {
        let record = record(&plan(code));
        assert!(record.contains("v=0e") && record.contains(cr2), "{record}");
    }
}
