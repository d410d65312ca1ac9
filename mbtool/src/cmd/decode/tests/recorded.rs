//! Recorded logs: how far they came, and why they failed.

use super::*;

#[test]
fn xen_that_panics_after_the_handoff() {
    let log = recorded("xen-panics-after-handoff.log", &DecodeOptions::default());
    let [boot] = &log["boots"].as_array().unwrap()[..] else {
        panic!("{log:#}")
    };
    assert_eq!(
        (&boot["line"], &boot["outcome"], &boot["lines"]),
        (&23.into(), &"failed".into(), &183.into())
    );
    assert!(
        boot["jump"]
            .as_str()
            .unwrap()
            .starts_with("0x3fa00000 (multiboot2")
    );
    assert_eq!(
        names(&boot["stages"], "stage"),
        ["xen", "xen-cpus", "dom0-build", "dom0"]
    );
    assert_eq!(
        names(&log["failures"], "name"),
        ["xen-unknown-nmi", "xen-trap"]
    );
    assert_eq!(log["failures"][1]["text"], "FATAL TRAP: vec 2, NMI[0000]");
    let [dump] = &log["dumps"].as_array().unwrap()[..] else {
        panic!("{log:#}")
    };
    assert_eq!(
        (&dump["source"], &dump["line"], &dump["integrity"]),
        (&"xen".into(), &172.into(), &"whole".into())
    );
    assert_eq!(
        (&dump["vector"]["number"], &dump["error"]),
        (&2.into(), &serde_json::Value::Null)
    );
    assert_eq!(dump["registers"]["rip"], "0xffff82d040216247");
    assert_eq!(dump["registers"]["rdi"], "0xffff82d040414020");
    assert_eq!(
        (&dump["at"], &dump["message"][0]),
        (
            &"clear_page_sse2+0x7/0x30".into(),
            &"FATAL TRAP: vec 2, NMI[0000]".into()
        )
    );
    assert_eq!(names(&dump["explanations"], "rule"), ["nmi"]);
    assert_eq!(
        dump["calls"][1]["name"],
        "arch/x86/setup.c#init_done+0x6f/0x1a0"
    );
    assert_eq!(
        log["build_ids"][0]["id"],
        "576c0736b3e38388c5afe9aaccc43a18d514e88e"
    );
}

#[test]
fn linux_that_panics_after_the_handoff() {
    let log = recorded("linux-panics-after-handoff.log", &DecodeOptions::default());
    let [boot] = &log["boots"].as_array().unwrap()[..] else {
        panic!("{log:#}")
    };
    assert_eq!(
        (&boot["line"], &boot["outcome"], &boot["failed"]),
        (&13.into(), &"failed".into(), &375.into())
    );
    assert_eq!(names(&boot["stages"], "stage"), ["linux", "linux-cpus"]);
    let [failure] = &log["failures"].as_array().unwrap()[..] else {
        panic!("{log:#}")
    };
    assert_eq!(
        (&failure["name"], &failure["by"], &failure["fatal"]),
        (&"linux-no-root".into(), &"linux".into(), &true.into())
    );
    assert_eq!(
        failure["text"],
        "VFS: Unable to mount root fs on unknown-block(0,0)"
    );
    assert!(
        failure["advice"]
            .as_str()
            .unwrap()
            .contains("--reuse-cmdline")
    );
    let [dump] = &log["dumps"].as_array().unwrap()[..] else {
        panic!("{log:#}")
    };
    assert_eq!(
        (&dump["source"], dump["calls"].as_array().unwrap().len()),
        (&"linux-oops".into(), 8)
    );
    assert_eq!(dump["calls"][2]["name"], "mount_block_root+0x1d3/0x1e6");
}

#[test]
fn a_fatal_nmi_of_xen_and_a_panic_of_linux_without_a_handoff() {
    let log = recorded("xen-fatal-nmi.log", &DecodeOptions::default());
    let dump = &log["dumps"][0];
    assert_eq!(
        (
            &dump["source"],
            &dump["vector"]["number"],
            &dump["registers"]["rip"]
        ),
        (&"xen".into(), &2.into(), &"0xffffffff8308306c".into())
    );
    assert!(
        names(&serde_json::json!([{"c": dump["context"][2]}]), "c")[0].contains("pv guest (d0v0)")
    );
    assert_eq!(
        (&log["boots"][0]["outcome"], &log["boots"][0]["jump"]),
        (&"failed".into(), &serde_json::Value::Null)
    );
    let log = recorded("linux-oops.log", &DecodeOptions::default());
    let dump = &log["dumps"][0];
    assert_eq!(
        (&dump["source"], &dump["line"], &dump["message"][0]),
        (
            &"linux-oops".into(),
            &371.into(),
            &"Kernel panic - not syncing: sysrq triggered crash".into()
        )
    );
    assert_eq!(
        dump["registers"],
        serde_json::json!({}),
        "those of the process caused nothing"
    );
    assert_eq!(
        names(&log["boots"][0]["stages"], "stage"),
        ["linux", "linux-cpus", "linux-ready", "init", "user-space"]
    );
    assert_eq!(names(&log["failures"], "name"), ["linux-sysrq"]);
}

#[test]
fn a_triple_fault_in_qemus_log() {
    let log = recorded("qemu-d-int-triple-fault.log", &DecodeOptions::default());
    let [dump] = &log["dumps"].as_array().unwrap()[..] else {
        panic!("{log:#}")
    };
    assert_eq!(
        (&dump["source"], &dump["vector"]["number"]),
        (&"qemu".into(), &6.into())
    );
    assert_eq!(
        (
            &dump["registers"]["rip"],
            &dump["registers"]["rcx"],
            &dump["mode"]
        ),
        (
            &"0x101017".into(),
            &"0xdeadbeef".into(),
            &"protected".into()
        )
    );
    let chain: Vec<_> = dump["chain"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| link["vector"]["number"].as_u64().unwrap())
        .collect();
    assert_eq!(chain, [6, 13, 8]);
    assert_eq!(dump["chain"][1]["error"]["value"], "0x32");
    assert_eq!(
        names(&dump["explanations"], "rule"),
        ["triple-fault", "undefined-opcode"]
    );
    assert!(
        dump["explanations"][0]["meaning"]
            .as_str()
            .unwrap()
            .contains("limit 0x0) has no gate for vector 6")
    );
}

#[test]
fn xen_and_a_quiet_dom0_that_boot() {
    let log = recorded("xen-boots.log", &DecodeOptions::default());
    let boots = log["boots"].as_array().unwrap();
    let boot = boots.last().unwrap();
    assert_eq!(boot["outcome"], "user-space");
    assert_eq!(
        names(&boot["stages"], "stage"),
        ["xen", "xen-cpus", "dom0-build", "dom0"]
    );
    let first = boot["output"]["text"].as_str().unwrap();
    assert!(first.starts_with("MBTOOL-DOM0 linux="), "{first}");
    assert_eq!(
        (&log["dumps"], &log["failures"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
}

#[test]
fn a_handoff_on_riscv64_that_finds_a_damaged_segment() {
    let log = recorded("riscv64-damaged-segment.log", &DecodeOptions::default());
    assert_eq!(names(&log["failures"], "name"), ["segment-damaged"]);
    let failure = &log["failures"][0];
    assert_eq!(
        (&failure["by"], &failure["fatal"]),
        (&"handoff".into(), &true.into())
    );
    let text = failure["text"].as_str().unwrap();
    assert!(
        text.starts_with("verify segment 0x81000000-0x81004000 "),
        "{text}"
    );
    assert_eq!(log["dumps"], serde_json::json!([]));
}

#[test]
fn a_handoff_on_riscv64_whose_paging_mode_the_cpu_does_not_have() {
    let log = recorded("riscv64-satp-refused.log", &DecodeOptions::default());
    assert_eq!(names(&log["failures"], "name"), ["satp-refused"]);
    assert_eq!(log["failures"][0]["fatal"], false);
    assert_eq!(log["boots"].as_array().unwrap().len(), 1);
}

#[test]
fn a_successful_boot_is_one() {
    let log = "[handoff] jump to 0x7c000200 (linux, 64-bit), boot_params 0x155000\n\
        [    0.000000] Linux version 6.1.0\n[    4.1] Run /init as init process\nhello\n";
    let (text, done) = run_text(&DecodeOptions::default(), log.as_bytes());
    done.unwrap();
    assert!(
        text.contains("It booted: user space prints (3 lines follow)."),
        "{text}"
    );
}
