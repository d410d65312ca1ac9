use super::context::testing;
use super::finish::testing::Broken;
use super::*;
use crate::config::Collector;
use std::sync::mpsc;
use std::time::Duration;

fn settings(target: &Path) -> Save {
    Save {
        target: Target::Directory(target.to_owned()),
        collector: Collector::Copy,
        watchdog: 0,
        ..Save::default()
    }
}

fn options(vmcore: &Path) -> SaveOptions {
    SaveOptions {
        vmcore: vmcore.to_owned(),
        ..SaveOptions::default()
    }
}

/// Saves as in a crash kernel; returns the error, as no operation ends this machine, and the
/// operations on the kernel.
fn acted(save: &Save, options: &SaveOptions) -> (anyhow::Error, String) {
    let (run, _) = testing::run();
    let broken = Arc::new(Broken::default());
    let power: Arc<dyn Power> = broken.clone();
    let done = supervised(&run, save, None, options, true, &power);
    let asked = broken.0.lock().unwrap().join(" ");
    (done.unwrap_err(), asked)
}

#[test]
fn a_crash_kernel_ends_in_all_cases() {
    let dir = tempfile::tempdir().unwrap();
    let vmcore = dir.path().join("vmcore");
    let (error, asked) = acted(&settings(dir.path()), &options(&vmcore));
    assert!(
        matches!(error.downcast_ref(), Some(SaveError::NoDump { path, .. }) if *path == vmcore),
        "{error:#}"
    );
    assert_eq!(asked, "sync Restart b");

    std::fs::write(&vmcore, vec![1; 100_000]).unwrap();
    // a file exists at this path
    let (error, asked) = acted(&settings(&vmcore.join("x")), &options(&vmcore));
    let kind = error.downcast_ref().map(std::io::Error::kind);
    assert_eq!(kind, Some(std::io::ErrorKind::NotADirectory), "{error:#}");
    assert_eq!(asked, "sync Restart b");

    let save = Save {
        then: Then::Poweroff,
        ..settings(&dir.path().join("to"))
    };
    let (error, asked) = acted(&save, &options(&vmcore));
    assert!(
        matches!(error.downcast_ref(), Some(SaveError::StillRunning)),
        "{error:#}"
    );
    assert_eq!(asked, "sync PowerOff o Restart b");
    let made = std::fs::read_dir(dir.path().join("to")).unwrap().next();
    let made = made.unwrap().unwrap().path();
    assert_eq!(std::fs::read(made.join("vmcore")).unwrap(), [1; 100_000]);
}

#[test]
fn elsewhere_it_only_saves() {
    let dir = tempfile::tempdir().unwrap();
    let vmcore = dir.path().join("vmcore");
    std::fs::write(&vmcore, vec![1; 5000]).unwrap();
    let (run, _) = testing::run();
    let broken = Arc::new(Broken::default());
    let power: Arc<dyn Power> = broken.clone();
    let options = SaveOptions {
        no_reboot: true,
        ..options(&vmcore)
    };
    supervised(&run, &settings(dir.path()), None, &options, false, &power).unwrap();
    assert!(broken.0.lock().unwrap().is_empty());
}

/// The deadline detects a dump whose read never returns.
#[test]
fn a_dump_that_stalls_is_detected() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("vmcore");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let (run, _) = testing::run();
    let heartbeat = Arc::clone(&run.heartbeat);
    let (sender, receiver) = mpsc::channel();
    let guard = Deadline::start(
        Arc::clone(&heartbeat),
        None,
        Duration::from_secs(9),
        Duration::from_millis(500),
        move |step, _| sender.send(step.to_owned()).unwrap(),
    );
    let options = options(&fifo);
    let to = dir.path().join("to");
    std::thread::spawn(move || {
        let mut record = DumpInfo::default();
        // its thread stays in open(2), which no writer unblocks
        let _ = attempt(&run, &settings(&to), &options, false, &mut record);
    });
    let step = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(step, vmcore::COPY);
    drop(guard);
}

#[test]
fn an_invalid_configuration_is_reported_and_replaced_by_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crash.toml");
    std::fs::write(&path, "[save]\ntarget = 3\n").unwrap();
    let options = SaveOptions {
        config: path.clone(),
        ..SaveOptions::default()
    };
    let (save, bad) = configuration(&options);
    assert_eq!(save, Save::default());
    let bad = bad.unwrap();
    assert!(
        bad.contains("crash.toml") && bad.contains("target"),
        "{bad}"
    );
}

#[test]
fn the_host_name_is_read_from_its_file() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(host(dir.path()), None);
    std::fs::create_dir(dir.path().join("etc")).unwrap();
    for (text, name) in [
        ("db1.example\n", Some("db1.example")),
        ("", None),
        ("../up\n", None),
        ("a;b\n", None),
    ] {
        std::fs::write(dir.path().join("etc/hostname"), text).unwrap();
        assert_eq!(host(dir.path()).as_deref(), name, "{text:?}");
    }
}
