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
