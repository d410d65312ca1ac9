//! Runs the scripts of the initrd in a temporary directory, with stubs of the
//! programs that they call.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Paths used by the scripts, replaced by paths below a directory.
const PLACES: [&str; 8] = [
    "/conf/",
    "/cryptroot/",
    "/dev/console",
    "/etc/resolv.conf",
    "/proc/",
    "/run/",
    "/scripts/",
    "/usr/share/",
];

/// Stub that records its arguments. `sleep 300` ends if a file exists, a short
/// sleep at once; a disk appears after some calls.
const PROGRAM: &str = r#"#!/bin/sh
echo "${0##*/} $*" >>ROOT/log
case "${0##*/} $*" in
"sleep 300")
	while [ -e ROOT/alive ] && [ ! -e ROOT/late ]; do /bin/sleep 0.05; done
	;;
"sleep 1")
	/bin/sleep 0.01
	if [ -s ROOT/seconds ]; then
		read -r left <ROOT/seconds
		echo $((left - 1)) >ROOT/seconds
		[ $left -gt 1 ] || : >ROOT/disk
	fi
	;;
mbtool*)
	echo "PATH $PATH" >>ROOT/log
	;;
blkid*)
	cat ROOT/type
	;;
esac
"#;

/// Stubs of initramfs-tools functions.
const FUNCTIONS: &str = r#"
resolve_device() {
	[ -e ROOT/disk ] && echo ROOT/disk
}
get_fstype() {
	echo ext4
}
local_device_setup() {
	echo "local_device_setup $*" >>ROOT/log
}
configure_networking() {
	echo configure_networking >>ROOT/log
	while [ -e ROOT/hangs ]; do /bin/sleep 0.05; done
	. /run/net-eth0.conf
}
for name in copy_exec copy_file manual_add_modules class_add_modules block_dev_mod_add; do
	eval "$name() { echo $name \"\$@\" >>ROOT/log; }"
done
"#;

/// A simulated initrd.
struct Ram {
    dir: tempfile::TempDir,
}

impl Ram {
    fn new() -> Self {
        let ram = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let scripts = "usr/share/initramfs-tools/scripts/functions";
        let hooks = "usr/share/initramfs-tools/hook-functions";
        for path in [scripts, hooks, "scripts/functions", "scripts/local"] {
            ram.put(path, FUNCTIONS);
        }
        for name in ["sleep", "reboot", "mbtool", "modprobe", "blkid"] {
            ram.put(&format!("bin/{name}"), PROGRAM);
        }
        for name in ["cat", "mkdir", "sh", "timeout"] {
            let path = std::env::var_os("PATH").unwrap();
            let mut real = std::env::split_paths(&path).map(|dir| dir.join(name));
            symlink(
                real.find(|path| path.exists()).unwrap(),
                ram.path("bin").join(name),
            )
            .unwrap();
        }
        ram.put("scripts/mbtool-boot", include_str!("texts/boot"));
        ram.put("scripts/mbtool-crash", include_str!("texts/saves"));
        ram.put("proc/cmdline", "quiet mbtool.crash panic=10\n");
        for path in ["proc/vmcore", "dev/console", "etc/resolv.conf", "run/x"] {
            ram.put(path, "");
        }
        ram.put("log", "");
        ram.put("alive", "");
        ram.put("conf/mbtool-device", "UUID=1-2\n");
        ram
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, with paths in it replaced too.
    fn put(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        let mut file = fs::OpenOptions::new();
        let file = file.write(true).create_new(true).mode(0o755).open(&path);
        file.unwrap().write_all(self.here(text).as_bytes()).unwrap();
    }

    /// Adapts a script to this directory. Console output is appended to a file,
    /// and no command can restart this machine.
    fn here(&self, text: &str) -> String {
        let root = self.dir.path().to_str().unwrap();
        let text = text
            .replace(">/dev/console", ">>/dev/console")
            .replace("reboot -f", "ROOT/bin/reboot -f");
        PLACES
            .iter()
            .fold(text, |text, place| {
                text.replace(place, &format!("ROOT{place}"))
            })
            .replace("ROOT", root)
    }

    /// Command that runs a script.
    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new(self.path("bin/timeout"));
        command
            .args(["60", "sh", "-c", &self.here(script)])
            .env("PATH", self.path("bin"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs the script of a stage.
    fn enter(&self, name: &str) {
        let script = format!("exec sh /scripts/mbtool-crash /scripts/{name}/mbtool-crash");
        assert!(self.shell(&script).status().unwrap().success());
    }

    /// Like [`Self::enter`]; returns the calls since the last time.
    fn stage(&self, name: &str) -> Vec<String> {
        self.enter(name);
        self.called()
    }

    /// Returns the calls since the last time, except those of the timer.
    fn called(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("log")).unwrap();
        fs::write(self.path("log"), "").unwrap();
        let lines = log.lines().filter(|line| *line != "sleep 300");
        lines.map(str::to_owned).collect()
    }

    /// Runs the hook with these arguments; returns its calls.
    fn hook(&self, words: &[(&str, &str)]) -> Vec<String> {
        fs::create_dir_all(self.path("image/conf")).unwrap();
        // paths in the image are relative to its root
        let image = self.path("image");
        self.put("hook", "");
        fs::write(
            self.path("hook"),
            include_str!("texts/hook").replace("/usr/share/", &self.here("/usr/share/")),
        )
        .unwrap();
        let mut command = self.shell("sh ROOT/hook");
        command
            .env("DESTDIR", &image)
            .env("MBTOOL_CRASH_PROGRAM", "/sbin/mbtool")
            .env("MBTOOL_CRASH_CONFIG", "/x")
            .envs(words.iter().copied());
        assert!(command.status().unwrap().success());
        self.called()
    }

    /// Runs init, which reads its configuration.
    fn init(&self) {
        let text = fs::read_to_string(self.path("image/conf/conf.d/mbtool")).unwrap();
        assert!(self.shell(&text).status().unwrap().success());
    }

    /// Returns the timer's process id if it runs.
    fn timer(&self) -> Option<String> {
        let pid = fs::read_to_string(self.path("conf/mbtool-timer")).ok()?;
        let pid = pid.trim();
        let state = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // a zombie counts as ended
        let dead = state.rsplit(')').next()?.starts_with(" Z");
        (!dead).then(|| pid.to_owned())
    }

    /// Waits for this call.
    fn wait_for(&self, what: &str) {
        let log = || fs::read_to_string(self.path("log")).unwrap();
        let called = || log().lines().any(|line| line == what);
        assert!(until(called), "{what}: {}", log());
    }
}

impl Drop for Ram {
    /// Ends the timer before the directory is removed.
    fn drop(&mut self) {
        if let Some(timer) = self.timer() {
            let _ = Command::new("kill").arg(timer).status();
        }
        let _ = fs::remove_file(self.path("alive"));
    }
}

const SAVE: &str = "mbtool crash save --config /etc/mbtool/crash.toml";

/// Calls after a save that ends.
const END: [&str; 3] = ["sleep 2", "sleep 5", "reboot -f"];

/// Waits until it becomes true.
fn until(mut done: impl FnMut() -> bool) -> bool {
    (0..400).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        done()
    })
}

fn seconds(called: &[String]) -> usize {
    called.iter().filter(|line| *line == "sleep 1").count()
}

fn saved(called: &[String]) -> bool {
    called.iter().any(|line| line == SAVE) && called.ends_with(&END.map(str::to_owned))
}

#[test]
fn the_timer_runs_from_the_start_and_in_a_crash_kernel_only() {
    let ram = Ram::new();
    ram.hook(&[]);
    ram.put("proc/cmdline", "quiet mbtool.crashed\n");
    ram.init();
    assert!(!ram.path("conf/mbtool-timer").exists());
    ram.put("proc/cmdline", "quiet mbtool.crash\n");
    ram.init();
    let timer = ram.timer().unwrap();
    // it is started only once
    ram.init();
    ram.stage("init-premount");
    assert_eq!(ram.timer(), Some(timer));
    ram.put("late", "");
    ram.wait_for("reboot -f");
    assert_eq!(fs::read(ram.path("proc/sysrq-trigger")).unwrap(), b"b\n");
}

#[test]
fn a_save_stops_the_timer() {
    let ram = Ram::new();
    ram.hook(&[]);
    ram.init();
    assert!(ram.timer().is_some());
    let called = ram.stage("local-premount");
    assert!(
        called[0].starts_with("local_device_setup UUID=1-2 "),
        "{called:?}"
    );
    assert!(saved(&called), "{called:?}");
    assert!(until(|| ram.timer().is_none()));
    let path = called
        .iter()
        .find(|line| line.starts_with("PATH "))
        .unwrap();
    assert!(path.ends_with(":/usr/local/sbin:/usr/local/bin"), "{path}");
    // an init that does not read its configuration
    let ram = Ram::new();
    ram.stage("init-premount");
    assert!(ram.timer().is_some());
}

#[test]
fn a_stopped_console_does_not_stop_other_steps() {
    let ram = Ram::new();
    fs::remove_file(ram.path("dev/console")).unwrap();
    let made = Command::new("mkfifo").arg(ram.path("dev/console")).status();
    assert!(made.unwrap().success());
    ram.put("late", "");
    ram.enter("init-premount");
    ram.wait_for("reboot -f");
    let mut both = fs::OpenOptions::new();
    let console = both.read(true).write(true).open(ram.path("dev/console"));
    let lines = BufReader::new(console.unwrap()).lines().take(2);
    let lines: Vec<String> = lines.map(Result::unwrap).collect();
    // of the timer, and of the save
    let timer = lines.iter().filter(|line| line.contains("300 s"));
    assert_eq!(timer.count(), 1, "{lines:?}");
}

#[test]
fn an_existing_disk_is_used_before_a_passphrase_prompt() {
    let ram = Ram::new();
    // a missing disk is left to a later stage, which assembles disks
    let called = ram.stage("init-premount");
    assert_eq!((seconds(&called), saved(&called)), (0, false), "{called:?}");
    ram.put("cryptroot/crypttab", "");
    assert_eq!(seconds(&ram.stage("init-premount")), 0);
    // unless a prompt comes in between
    ram.put("cryptroot/crypttab", "root UUID=3-4 none luks\n");
    let called = ram.stage("init-premount");
    assert_eq!(
        (seconds(&called), saved(&called)),
        (30, false),
        "{called:?}"
    );
    ram.put("seconds", "7\n");
    let called = ram.stage("init-premount");
    assert_eq!((seconds(&called), saved(&called)), (7, true), "{called:?}");
    let called = ram.stage("init-premount");
    assert_eq!((seconds(&called), saved(&called)), (0, true), "{called:?}");

    let ram = Ram::new();
    ram.put("proc/cmdline", "mbtool.crash cryptopts=source=/dev/sda2\n");
    assert_eq!(seconds(&ram.stage("init-premount")), 30);
    ram.put("disk", "");
    ram.put(
        "scripts/local-premount/btrfs",
        "#!/bin/sh\necho btrfs >>ROOT/log\n",
    );
    let called = ram.stage("init-premount");
    assert!(called[0] == "btrfs" && saved(&called), "{called:?}");
}

#[test]
fn without_a_network_address_the_save_is_tried_anyway() {
    let ram = Ram::new();
    fs::remove_file(ram.path("conf/mbtool-device")).unwrap();
    ram.put("conf/mbtool-network", "");
    // no answer: the shell that prompts ends
    let called = ram.stage("init-premount");
    let asked = called.iter().any(|line| line == "configure_networking");
    assert!(asked && saved(&called), "{called:?}");
    assert_eq!(fs::read(ram.path("etc/resolv.conf")).unwrap(), b"");

    ram.put(
        "run/net-eth0.conf",
        "IPV4DNS0='192.0.2.53'\nIPV4DNS1='0.0.0.0'\n",
    );
    fs::remove_file(ram.path("run/mbtool-network")).unwrap();
    let called = ram.stage("init-premount");
    assert!(saved(&called), "{called:?}");
    let servers = fs::read_to_string(ram.path("etc/resolv.conf")).unwrap();
    assert_eq!(servers, "nameserver 192.0.2.53\n");

    // programs that never end
    ram.put("hangs", "");
    fs::remove_file(ram.path("run/mbtool-network")).unwrap();
    let called = ram.stage("init-premount");
    assert_eq!(
        (seconds(&called), saved(&called)),
        (120, true),
        "{called:?}"
    );
    let console = fs::read_to_string(ram.path("dev/console")).unwrap();
    assert!(console.contains("120 s"), "{console}");
    // the disk may still appear
    fs::remove_file(ram.path("hangs")).unwrap();
    assert!(until(|| ram.path("run/mbtool-network").exists()));
}

#[test]
fn names_on_a_fat_disk_can_be_read() {
    let ram = Ram::new();
    ram.put("disk", "");
    let device = [("MBTOOL_CRASH_DEVICE", "UUID=1-2")];
    for (kind, expected) in [("vfat", true), ("ext4", false)] {
        ram.put("type", &format!("{kind}\n"));
        let called = ram.hook(&device);
        let has = |line: &str| called.iter().any(|called| called == line);
        assert!(has(&format!("manual_add_modules {kind}")), "{called:?}");
        let nls = has("manual_add_modules nls_cp437 nls_ascii");
        assert_eq!(nls, expected, "{called:?}");
    }
}
