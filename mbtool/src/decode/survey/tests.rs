use super::*;

fn survey(lines: &[&str]) -> Survey {
    let mut survey = Survey::default();
    for (index, line) in lines.iter().enumerate() {
        survey.line(&LogLine::new(index + 1, line), false);
    }
    survey.finish();
    survey
}

fn failures(lines: &[&str]) -> Vec<(usize, &'static str, String)> {
    let failures = survey(lines).failures.into_iter();
    failures
        .map(|failure| (failure.line, failure.name, failure.text))
        .collect()
}

const STARS: &str = "(XEN) ****************************************";

#[test]
fn panics_are_quoted() {
    let unknown = [
        "(XEN) ",
        STARS,
        "(XEN) Panic on CPU 0:",
        "(XEN) Something new",
        "(XEN) its second line",
        STARS,
    ];
    assert_eq!(
        failures(&unknown),
        [(3, "xen-panic", "Something new / its second line".to_owned())]
    );
    let known = [
        STARS,
        "(XEN) Panic on CPU 0:",
        "(XEN) Not enough RAM for domain 0 allocation",
        STARS,
    ];
    assert_eq!(
        failures(&known),
        [(
            3,
            "xen-dom0-memory",
            "Not enough RAM for domain 0 allocation".to_owned()
        )]
    );
    // cut, and without the label
    assert_eq!(
        failures(&["Panic on CPU 12:", "Something new"]),
        [(1, "xen-panic", "Something new".to_owned())]
    );
    let linux = [
        "[    1.0] Kernel panic - not syncing: Something new",
        "[    1.1] ---[ end Kernel panic - not syncing: Something new ]---",
    ];
    assert_eq!(
        failures(&linux),
        [(1, "linux-panic", "Something new".to_owned())]
    );
    let quoted = ["panic=Kernel panic - not syncing: Something new"];
    assert!(failures(&quoted).is_empty());
}

#[test]
fn a_failure_is_reported_once_per_boot() {
    let nmi = "(XEN) Uhhuh. NMI received for unknown reason 30.";
    let boot = "(XEN) Xen version 4.17.5";
    let survey = survey(&[boot, nmi, nmi, nmi, boot, nmi]);
    let counts: Vec<_> = survey
        .failures
        .iter()
        .map(|failure| (failure.line, failure.count))
        .collect();
    assert_eq!(counts, [(2, 3), (6, 1)]);
    assert!(!survey.failures[0].fatal);
    assert_eq!(survey.boots.boots[0].failed, None, "Xen goes on");
}

#[test]
fn build_ids_are_read() {
    let id = "576c0736b3e38388c5afe9aaccc43a18d514e88e";
    let survey = survey(&[
        &format!("(XEN) build-id: {id}"),
        &format!("(XEN) build-id: {id}"),
        "VMCOREINFO: BUILD-ID=06f8bde30046985060c60820f7a11515a33afb06",
        "[    1.0] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 6.1.0 #1 AAf8bde30046985060c60820f7a11515a33afb06",
        "(XEN) build-id: 57",
        "(XEN) build-id: xyz",
    ]);
    let ids: Vec<_> = survey
        .build_ids
        .iter()
        .map(|found| (found.of, &found.id[..4]))
        .collect();
    assert_eq!(
        ids,
        [
            (Speaker::Xen, "576c"),
            (Speaker::Linux, "06f8"),
            (Speaker::Linux, "aaf8")
        ]
    );
}

#[test]
fn hostile_logs_take_bounded_memory() {
    let mut survey = Survey::default();
    for number in (1..100_000).step_by(3) {
        survey.line(&LogLine::new(number, "(XEN) Xen version 4"), false);
        survey.line(
            &LogLine::new(number + 1, "Kernel panic - not syncing: a"),
            false,
        );
        let id = format!("(XEN) build-id: {number:040x}");
        survey.line(&LogLine::new(number + 2, &id), false);
    }
    assert_eq!(
        (survey.failures.len(), survey.build_ids.len()),
        (MAX_FAILURES, MAX_BUILD_IDS)
    );
    assert!(survey.boots.boots.len() <= 64);
}

const RISCV: &str = "[handoff] mbtool 0.1.0 at 0x80400000, entered at 0x80400000 in mode bare on hart 0, sbi 2.0 \
    implementation 1 version 0x10004";

#[test]
fn failures_of_the_handoff_on_riscv64() {
    for (line, name) in [
        (
            "[handoff] handoff itself is damaged: expected 0x1d1c4f39, found 0x5f0d2b7e",
            "handoff-damaged",
        ),
        (
            "[handoff] runs at 0xffffffc012345000, but was made for 0x80400000",
            "handoff-misplaced",
        ),
        (
            "[handoff] verify segment 0x81000000-0x81004000 12293 bytes: BAD crc32, expected 0x1, found 0x2",
            "segment-damaged",
        ),
        (
            "[handoff] verify dtb 0x81000000-0x81004000 12293 bytes: crc32 0x1 ok, BAD zero fill, first at 0x1",
            "segment-damaged",
        ),
        ("[handoff] relocate: BAD page list", "handoff-page-list"),
        (
            "[handoff] page tables: this CPU does not take satp 0xa000000000080441: translation stays off",
            "satp-refused",
        ),
        (
            "[handoff] nested exception, cause 0x5, sepc 0x80401234",
            "handoff-nested",
        ),
        ("[handoff] PANIC in phase verify", "handoff-panic"),
    ] {
        let text = line.strip_prefix("[handoff] ").unwrap().to_owned();
        assert_eq!(failures(&[RISCV, line]), [(2, name, text)]);
        // x86 has the same lines, and its dumps and messages are as they were
        let x86 = "[handoff] mbtool 0.1.0 at 0x100000, entered by linux";
        assert_eq!(failures(&[x86, line]), [], "{line}");
        assert_eq!(failures(&[RISCV, x86, line]), [], "{line}");
    }
    assert_eq!(
        failures(&[
            RISCV,
            "[handoff] verify segment 0x81000000-0x81004000 12293 bytes: crc32 0x0002a37a ok"
        ]),
        []
    );
}

#[test]
fn every_damaged_segment_is_named() {
    let bad = |name| {
        format!("[handoff] verify {name} 0x1000-0x2000 9 bytes: BAD crc32, expected 1, found 2")
    };
    let (one, two) = (bad("initrd"), bad("dtb"));
    let found = survey(&[RISCV, &one, &two, &one]);
    let counts: Vec<_> = found
        .failures
        .iter()
        .map(|f| (f.line, f.count, f.by))
        .collect();
    assert_eq!(counts, [(2, 2, Speaker::Handoff), (3, 1, Speaker::Handoff)]);
}
