use super::*;
use crate::config::{Collector, Save};
use crate::save::console::testing::Heard;
use crate::save::context::testing;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

/// A dump that is half zeros.
fn dump() -> Vec<u8> {
    let mut data = vec![0; 2 << 20];
    for (n, byte) in data.iter_mut().enumerate().skip(1 << 20) {
        *byte = (n % 249) as u8 + 1;
    }
    data
}

/// Saves with `collector` to a directory, which is kept.
fn saved(collector: Collector) -> (tempfile::TempDir, PathBuf, Result<()>, Heard) {
    let dir = tempfile::tempdir().unwrap();
    let vmcore = dir.path().join("proc-vmcore");
    fs::write(&vmcore, dump()).unwrap();
    let (run, heard) = testing::run();
    let save_to = Save {
        collector,
        ..Save::default()
    };
    let job = Job {
        vmcore: &vmcore,
        size: 2 << 20,
        save: &save_to,
        name: "crash-x",
        goes_down: false,
        ssh: Path::new("ssh"),
        verify: true,
    };
    let done = save(
        &run,
        &job,
        &dir.path().join("a/b"),
        &mut DumpInfo::default(),
    );
    let made = dir.path().join("a/b/crash-x");
    (dir, made, done, heard)
}

fn script(text: &str) -> Collector {
    Collector::Command(["sh", "-c", text, "sh"].map(str::to_owned).to_vec())
}

fn json(made: &Path) -> Value {
    serde_json::from_slice(&fs::read(made.join(RECORD)).unwrap()).unwrap()
}

fn check_sum(made: &Path) {
    let checked = Command::new("sha256sum")
        .args(["-c", SUM])
        .current_dir(made)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn the_collectors_file_is_the_dump() {
    let (_dir, made, done, _) = saved(script("head -c 100000 $1 > $2"));
    done.unwrap();
    assert_eq!(fs::read(made.join(VMCORE)).unwrap(), dump()[..100000]);
    check_sum(&made);
    let record = json(&made);
    assert_eq!(record["vmcore"]["bytes"], 100000);
    assert_eq!(record["vmcore"]["source_bytes"], 2 << 20);
}

#[test]
fn a_collector_that_fails_is_followed_by_a_copy() {
    let killed = ExitStatus::from_raw(9).to_string();
    for (collector, value) in [
        (script("echo out of memory >&2; exit 1"), "out of memory"),
        (
            script("echo begun; head -c 5000 $1 > $2; sleep 100"),
            "begun",
        ),
        (script("kill -9 $$"), &killed),
        (
            Collector::Command(vec!["/no/collector".to_owned()]),
            "/no/collector",
        ),
    ] {
        let (_dir, made, done, heard) = saved(collector);
        done.unwrap();
        assert!(fs::read(made.join(VMCORE)).unwrap() == dump(), "{value}");
        check_sum(&made);
        let record = json(&made);
        assert_eq!(record["vmcore"]["method"], "copy");
        assert_eq!(record["vmcore"]["verified"], true);
        let problems = record["problems"].to_string();
        assert!(problems.contains(value), "{problems}");
        assert!(heard.text().contains("100 %"));
        // no partial files
        for entry in fs::read_dir(&made).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.ends_with(PARTIAL), "{name}");
        }
    }
}

#[test]
fn an_existing_directory_name_gets_a_number() {
    let dir = tempfile::tempdir().unwrap();
    for expected in ["crash-x", "crash-x-2", "crash-x-3"] {
        let made = new(dir.path(), "crash-x").unwrap();
        assert_eq!(made, dir.path().join(expected));
    }
    assert!(new(Path::new("/no"), "crash-x").is_err());
}

#[test]
fn a_file_system_in_memory_is_refused() {
    let dir = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
    let (run, _) = testing::run();
    let save_to = Save::default();
    let job = Job {
        vmcore: Path::new("/dev/null"),
        size: 0,
        save: &save_to,
        name: "crash-x",
        goes_down: true,
        ssh: Path::new("ssh"),
        verify: true,
    };
    let error = save(&run, &job, dir.path(), &mut DumpInfo::default()).unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(SaveError::InMemory { target, .. })
            if target == dir.path()),
        "{error}"
    );
}

/// On a small separate file system, if the test may mount one.
#[test]
fn a_dump_without_space_is_truncated() {
    let (run, _) = testing::run();
    let scratch = super::super::scratch::ScratchDir::new(4 << 20).unwrap();
    let limited = statvfs(&scratch.path).unwrap();
    if limited.f_blocks.saturating_mul(limited.f_frsize) > 8 << 20 {
        eprintln!("NOT RUN: only root can mount a small file system");
        return;
    }
    let source = tempfile::NamedTempFile::new().unwrap();
    fs::write(source.path(), vec![7; 10 << 20]).unwrap();
    fs::set_permissions(source.path(), fs::Permissions::from_mode(0o400)).unwrap();
    let save_to = Save {
        collector: Collector::Copy,
        ..Save::default()
    };
    let job = Job {
        vmcore: source.path(),
        size: 10 << 20,
        save: &save_to,
        name: "crash-x",
        goes_down: false,
        ssh: Path::new("ssh"),
        verify: true,
    };
    let mut record = DumpInfo::default();
    save(&run, &job, &scratch.path, &mut record).unwrap();
    let made = scratch.path.join("crash-x");
    let kept = fs::metadata(made.join("vmcore.incomplete")).unwrap().len();
    assert!((1 << 20..4 << 20).contains(&kept), "{kept}");
    assert!(!record.problems.is_empty());
    check_sum(&made);
    assert_eq!(json(&made)["vmcore"]["file"], "vmcore.incomplete");
    // the spare file is gone, and only root has access
    let names = fs::read_dir(&made).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort_unstable();
    assert_eq!(names, [RECORD, "vmcore.incomplete", SUM]);
    let mode = fs::metadata(&made).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
