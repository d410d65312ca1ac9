use super::*;
use crate::save::context::testing;
use std::time::Duration;

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn output_is_printed_or_captured() {
    let (mut run, heard) = testing::run();
    // an unfinished line is printed at each check; the next check is after the script has
    // ended
    run.limits.look = Duration::from_millis(300);
    let out = super::run(&run, sh("echo a; echo b >&2"), Output::Keep, || 0).unwrap();
    assert_eq!(out, b"a\n");
    assert_eq!(heard.text(), "");
    let script = "printf '1 %%\\r2 %%\\r\\nend\\nlast'";
    let out = super::run(&run, sh(script), Output::Show, || 0).unwrap();
    assert_eq!(out, b"");
    assert_eq!(heard.text(), "end\nlast\n");
}

#[test]
fn a_failure_has_the_last_output() {
    let (run, _) = testing::run();
    let error = super::run(
        &run,
        sh("echo no such luck >&2; exit 3"),
        Output::Keep,
        || 0,
    );
    let error = error.unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(ChildError::Failed { name, status, output })
            if name == "sh" && status.code() == Some(3) && *output == ["no such luck"]),
        "{error}"
    );
    let error = super::run(&run, Command::new("/no/such"), Output::Keep, || 0).unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(ChildError::NotStarted { name, .. })
            if name == "/no/such"),
        "{error}"
    );
}

#[test]
fn a_process_that_hangs_is_killed_with_its_children() {
    let (run, heard) = testing::run();
    let started = Instant::now();
    let script = "echo begun; sleep 1000 & echo $!; wait";
    let error = super::run(&run, sh(script), Output::Show, || 0).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(20));
    let killed = matches!(
        error.downcast_ref(),
        Some(ChildError::Stalled {
            stall: StallKind::Silent,
            killed: true,
            ..
        })
    );
    assert!(killed, "{error}");
    let pid: u32 = heard.text().lines().nth(1).unwrap().parse().unwrap();
    // a zombie until init reaps it, if there is one
    let lives = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        state.is_ok_and(|state| !state.contains(") Z "))
    };
    let end = Instant::now() + Duration::from_secs(10);
    while lives() && Instant::now() < end {
        thread::sleep(run.limits.look);
    }
    assert!(!lives());
}

#[test]
fn a_process_that_makes_progress_has_no_timeout() {
    let (run, _) = testing::run();
    let mut work = 0;
    super::run(&run, sh("sleep 1"), Output::Show, || {
        work += 1;
        work
    })
    .unwrap();
    let talks = "while :; do echo x; sleep 0.1; done";
    let error = super::run(&run, sh(talks), Output::Keep, || 0).unwrap_err();
    let stalled = matches!(
        error.downcast_ref(),
        Some(ChildError::Stalled {
            stall: StallKind::NoData,
            ..
        })
    );
    assert!(stalled, "{error}");
}

#[test]
fn an_output_that_stays_open_is_not_waited_for() {
    let (mut run, _) = testing::run();
    run.limits.last = Duration::from_millis(300);
    let started = Instant::now();
    super::run(&run, sh("sleep 30 & exit 0"), Output::Show, || 0).unwrap();
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[test]
fn input_is_written_or_an_error_is_returned() {
    let (run, _) = testing::run();
    let data = vec![7; 300_000];
    let mut wc = ChildProcess::start(&run, sh("wc -c"), Output::Keep, true).unwrap();
    wc.write(&data).unwrap();
    assert_eq!(wc.end(|| 0).unwrap().trim_ascii(), b"300000");
    // more than a pipe holds, so that the failure is detected
    let leaves = sh("head -c 10 >/dev/null; echo disk full >&2; exit 1");
    let mut child = ChildProcess::start(&run, leaves, Output::Keep, true).unwrap();
    let error = child.write(&data).unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(ChildError::Failed { output, .. })
            if *output == ["disk full"]),
        "{error}"
    );
    let mut deaf = ChildProcess::start(&run, sh("sleep 1000"), Output::Keep, true).unwrap();
    let error = deaf.write(&data).unwrap_err();
    let stalled = matches!(
        error.downcast_ref(),
        Some(ChildError::Stalled {
            stall: StallKind::Silent,
            ..
        })
    );
    assert!(stalled, "{error}");
}
