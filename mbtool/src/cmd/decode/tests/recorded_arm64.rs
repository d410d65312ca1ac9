//! Recorded logs of arm64: how far they came, and why they failed.

use super::*;

fn log(name: &str) -> serde_json::Value {
    recorded(&format!("{name}.log"), &DecodeOptions::default())
}

#[test]
fn a_handoff_that_stops_without_a_dump() {
    for (name, failure, text) in [
        (
            "arm64-damaged-segment",
            "segment-damaged",
            "verify segment 0x4a000000-",
        ),
        (
            "arm64-xen-at-el1",
            "xen-needs-el2",
            "Xen needs EL2, and this CPU is at EL1",
        ),
        (
            "arm64-misplaced",
            "handoff-misplaced",
            "runs at 0x48001000, but was made for 0x48000000",
        ),
    ] {
        let log = log(name);
        assert_eq!(names(&log["failures"], "name"), [failure], "{name}");
        let failure = &log["failures"][0];
        assert_eq!(
            (&failure["by"], &failure["fatal"]),
            (&"handoff".into(), &true.into())
        );
        assert!(
            failure["text"].as_str().unwrap().starts_with(text),
            "{failure}"
        );
        assert_eq!(log["dumps"], serde_json::json!([]), "{name}");
    }
}

#[test]
fn what_follows_the_end_of_the_handoff_is_no_boot() {
    for name in ["arm64-target-virtual", "arm64-target-alignment"] {
        let log = log(name);
        let boots = log["boots"].as_array().unwrap();
        assert_eq!(boots.len(), 1, "{name}");
        assert_eq!(boots[0]["outcome"], "silent", "{name}");
        assert_eq!(log["dumps"].as_array().unwrap().len(), 1);
    }
    // resumed: the target prints
    let log = log("arm64-brk");
    assert_eq!(log["boots"][0]["outcome"], "user-space");
}

#[test]
fn a_kernel_whose_kexec_load_fails() {
    let log = log("arm64-linux-lpa2");
    assert_eq!(
        names(&log["failures"], "name"),
        ["linux-kexec-lpa2", "linux-sysrq"]
    );
    let failure = &log["failures"][0];
    assert_eq!(
        (&failure["line"], &failure["fatal"], &failure["count"]),
        (&298.into(), &false.into(), &3.into())
    );
    assert_eq!(
        names(&log["boots"][0]["stages"], "stage"),
        ["linux", "linux-cpus", "linux-ready", "init", "user-space"]
    );
    assert_eq!(log["boots"][0]["outcome"], "failed");
    assert_eq!(log["dumps"][0]["architecture"], "arm64");
}

#[test]
fn xen_that_stops_at_an_exception() {
    let log = log("arm64-xen-data-abort");
    assert_eq!(names(&log["failures"], "name"), ["xen-trap"]);
    assert_eq!(
        log["failures"][0]["text"],
        "CPU0: Unexpected Trap: Data Abort"
    );
    let boot = &log["boots"][0];
    assert_eq!(
        (&boot["outcome"], &boot["failed"]),
        (&"failed".into(), &351.into())
    );
    assert_eq!(
        names(&boot["stages"], "stage"),
        [
            "xen",
            "xen-cpus",
            "dom0-build",
            "dom0",
            "linux",
            "linux-cpus",
            "linux-ready",
            "init",
            "user-space"
        ]
    );
    assert_eq!(
        log["build_ids"][0]["id"],
        "cd2aa25fb8bd6775334588037f855574524dbc12"
    );
}

#[test]
fn xen_that_finds_no_memory_for_dom0() {
    let log = log("arm64-xen-dom0-memory");
    assert_eq!(names(&log["failures"], "name"), ["xen-dom0-memory"]);
    assert_eq!(
        log["failures"][0]["text"],
        "Failed to allocate requested dom0 memory. 128MB unallocated"
    );
    assert_eq!(
        names(&log["boots"][0]["stages"], "stage"),
        ["xen", "xen-cpus", "dom0-build"]
    );
    assert_eq!(log["boots"][0]["outcome"], "failed");
}
