//! The launcher's own promises, with QEMU's exception log as the witness: the
//! target's first instruction faults, and there is no IDT.

mod support;

use images::launch;
use support::run;

/// Where the code goes, and the page for it.
const ENTRY: u64 = 0x700_0000;

/// QEMU's record of the first exception that `code` raised.
fn first_exception(code: &[u8]) -> String {
    let run = run(&launch::pack(&[(ENTRY, 0x1000, code)], ENTRY), None);
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
