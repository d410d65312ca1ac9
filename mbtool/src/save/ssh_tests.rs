//! Tests with a fake `ssh` that runs commands locally.

use super::*;
use crate::config::Save;
use crate::save::ChildError;
use crate::save::context::testing;
use crate::sys::testing::put_script;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The host name selects the behavior: "down" is never reachable, "late" at the third attempt,
/// "refuses" fails every command, "cuts" every file that is not small; "damages" corrupts the first
/// dump, "ruins" all.
const SSH: &str = r#"#!/bin/sh
while [ "$1" != -- ]; do
	case $1 in
	-i) [ "$2" = /etc/key ] || exit 99 ;;
	*@*) host=${1#*@} ;;
	esac
	shift
done
shift
state=$(dirname "$0")/late
case $host in
down) echo "NO_ROUTE" >&2; exit 255 ;;
late) echo x >>"$state"; [ "$(wc -l <"$state")" -ge 3 ] || { echo late >&2; exit 255; } ;;
refuses) echo "DENIED" >&2; exit 1 ;;
damages | ruins) case $1 in *"cat > "*vmcore*)
	if [ $host = ruins ] || [ ! -e "$state" ]; then
		echo x >>"$state"
		sh -c "$1"
		eval "printf X | dd of=${1##*cat > } conv=notrunc" 2>/dev/null
		exit
	fi ;;
esac ;;
cuts) case $1 in *"cat > "*vmcore*) head -c 1000 >/dev/null; echo "RESET" >&2; exit 255 ;; esac ;;
esac
# signs of life follow each other quickly, so that no test waits for the last one
exec sh -c "sleep() { command sleep 0.1; }; $1"
"#;

/// Errors that the fake prints.
const NO_ROUTE: &str = "ssh: connect to host down: No route to host";
const DENIED: &str = "mkdir: Permission denied";
const RESET: &str = "Connection reset";

/// Result of a save to `host`: the directory, the record.
struct Saved {
    dir: tempfile::TempDir,
    done: Result<()>,
    record: DumpInfo,
}

impl Saved {
    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join("remote/crash-x").join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).unwrap()
    }

    fn succeeded(&self) {
        assert!(self.done.is_ok(), "{:?}", self.record.problems);
    }

    /// Number of recorded problems with `value` in their text.
    fn problems_with(&self, value: &str) -> usize {
        let problems = self.record.problems.iter();
        problems.filter(|text| text.contains(value)).count()
    }

    fn is_whole(&self, name: &str) {
        let checked = Command::new("sha256sum")
            .args(["-c", SUM])
            .current_dir(self.file(""))
            .output()
            .unwrap();
        assert!(checked.status.success(), "{checked:?}");
        let vmcore = self.record.vmcore.as_ref().unwrap();
        assert!(vmcore.verified && vmcore.file == name, "{vmcore:?}");
        for entry in fs::read_dir(self.file("")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!name.ends_with(PARTIAL), "{name}");
        }
    }
}

fn dump() -> Vec<u8> {
    let period: [u8; 247] = std::array::from_fn(|n| n as u8);
    let mut dump = period.repeat((3 << 20) / period.len() + 1);
    dump.truncate(3 << 20);
    dump
}

fn saved(host: &str, collector: &dyn Fn(&Path) -> Collector) -> Saved {
    saved_in(tempfile::tempdir().unwrap(), host, collector)
}

fn saved_in(dir: tempfile::TempDir, host: &str, collector: &dyn Fn(&Path) -> Collector) -> Saved {
    let ssh = dir.path().join("ssh");
    let errors = [("NO_ROUTE", NO_ROUTE), ("DENIED", DENIED), ("RESET", RESET)];
    let script = errors.iter().fold(SSH.to_owned(), |script, (name, line)| {
        script.replace(name, line)
    });
    put_script(&ssh, &script);
    let vmcore = dir.path().join("proc-vmcore");
    fs::write(&vmcore, dump()).unwrap();
    let (mut run, _) = testing::run();
    // much longer than the interval of progress output of slow commands
    run.limits.stall = std::time::Duration::from_secs(2);
    run.limits.talking = std::time::Duration::from_secs(60);
    let save_to = Save {
        collector: collector(dir.path()),
        identity: "/etc/key".into(),
        ..Save::default()
    };
    let job = Job {
        vmcore: &vmcore,
        size: 3 << 20,
        save: &save_to,
        name: "crash-x",
        goes_down: true,
        ssh: &ssh,
        verify: true,
    };
    let target = Ssh {
        user: "dump".to_owned(),
        host: host.to_owned(),
        port: 2222,
        dir: dir.path().join("remote").display().to_string(),
    };
    let mut record = DumpInfo::default();
    let done = save(&run, &job, &target, &mut record);
    Saved { dir, done, record }
}

/// A program of this name that runs `script`.
fn program(dir: &Path, name: &str, script: &str) -> Collector {
    let path = dir.join(name);
    put_script(&path, &format!("#!/bin/sh\n{script}\n"));
    Collector::Command(vec![path.display().to_string(), "-l".to_owned()])
}

#[test]
fn an_unchanged_dump_arrives_and_is_verified() {
    let saved = saved("late", &|_| Collector::Copy);
    saved.succeeded();
    assert!(saved.read(VMCORE) == dump());
    saved.is_whole(VMCORE);
    let record: serde_json::Value = serde_json::from_slice(&saved.read(RECORD)).unwrap();
    assert_eq!(record["vmcore"]["method"], "copy");
}

#[test]
fn the_output_of_the_collector_arrives() {
    let saved = saved("up", &|dir| {
        program(dir, "makedumpfile", "head -c 9000 $2 > $3")
    });
    saved.succeeded();
    assert!(saved.read(VMCORE) == dump()[..9000]);
    saved.is_whole(VMCORE);
}

/// A stream if a file does not work, a copy if neither does.
#[test]
fn other_methods_are_tried_after_a_failure() {
    let script = "[ $1 = -F ] || exit 1; shift; head -c 7000 $2";
    let saved = saved("up", &|dir| program(dir, "makedumpfile", script));
    saved.succeeded();
    assert!(saved.read(FLAT) == dump()[..7000]);
    saved.is_whole(FLAT);

    let saved = self::saved("up", &|dir| program(dir, "makedumpfile", "exit 1"));
    saved.succeeded();
    assert!(saved.read(VMCORE) == dump());
    saved.is_whole(VMCORE);
    // a collector that hangs after a part
    let script = "[ $1 = -F ] && cat $3; sleep 100";
    let saved = self::saved("up", &|dir| program(dir, "makedumpfile", script));
    saved.succeeded();
    assert!(saved.read(VMCORE) == dump());
    saved.is_whole(VMCORE);
    let program = saved.dir.path().join("makedumpfile");
    assert_eq!(saved.problems_with(program.to_str().unwrap()), 2);
}

/// A corrupted file is sent again, and never renamed to the final name.
#[test]
fn a_corrupted_transfer_is_repeated() {
    let saved = saved("damages", &|_| Collector::Copy);
    saved.succeeded();
    assert!(saved.read(VMCORE) == dump());
    saved.is_whole(VMCORE);
    let sha256 = checksum::hex(&Sha256::digest(dump()).into());
    assert_eq!(saved.problems_with(&sha256), 1);

    let saved = self::saved("ruins", &|_| Collector::Copy);
    let error = saved.done.as_ref().unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(SaveError::Differs { found, expected })
            if *expected == sha256 && found != expected),
        "{error:#}"
    );
    assert!(!saved.file(VMCORE).exists());
    assert!(saved.file("vmcore.partial").exists());
    assert!(saved.record.vmcore.is_none());
}

/// The requested directory name already exists.
#[test]
fn an_existing_directory_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("remote/crash-x")).unwrap();
    fs::write(dir.path().join("remote/crash-x/vmcore"), "other").unwrap();
    let saved = saved_in(dir, "up", &|_| Collector::Copy);
    saved.succeeded();
    assert_eq!(saved.read(VMCORE), b"other");
    let own = saved.dir.path().join("remote/crash-x-2");
    assert!(fs::read(own.join(VMCORE)).unwrap() == dump());
    for (path, mode) in [(own.clone(), 0o700), (own.join(VMCORE), 0o600)] {
        let found = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode);
    }
}

#[test]
fn an_unreachable_host_times_out() {
    let failure = |host: &str| {
        let saved = saved(host, &|_| Collector::Copy);
        assert!(!saved.file(VMCORE).exists());
        saved.done.unwrap_err()
    };
    let error = failure("down");
    assert!(
        matches!(error.downcast_ref(), Some(SaveError::NoConnection { host, why, .. })
            if host == "down" && why.contains(NO_ROUTE)),
        "{error:#}"
    );
    for (host, code, line) in [("refuses", 1, DENIED), ("cuts", 255, RESET)] {
        let error = failure(host);
        assert!(
            matches!(error.downcast_ref(), Some(ChildError::Failed { status, output, .. })
                if status.code() == Some(code) && *output == [line]),
            "{error:#}"
        );
    }
}
