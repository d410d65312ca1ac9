//! Every verb with a standard output or standard error that is closed, full, or without a reader: no panic, the exit
//! code of docs/output.md, and the same load as ever.

use mbtool::image::synth;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a stream of a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    /// A file.
    Works,
    /// Not open: `>&-`.
    Closed,
    /// Open for reading only: EBADF.
    ReadOnly,
    /// /dev/full: ENOSPC.
    Full,
    /// A pipe whose reader has gone: EPIPE.
    Pipe,
}

const STREAMS: [Stream; 5] = [
    Stream::Works,
    Stream::Closed,
    Stream::ReadOnly,
    Stream::Full,
    Stream::Pipe,
];

/// Each defect of standard output, of standard error, and of both.
fn pairs() -> impl Iterator<Item = (Stream, Stream)> {
    STREAMS.into_iter().skip(1).flat_map(|stream| {
        [
            (stream, Stream::Works),
            (Stream::Works, stream),
            (stream, stream),
        ]
    })
}

/// Exit code of a command that did its work and could not write its data.
const INCOMPLETE: i32 = 3;

/// A user that may change nothing on this machine.
const NOBODY: u32 = 65534;

struct World {
    dir: tempfile::TempDir,
    program: PathBuf,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // of another user, too
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let program = dir.path().join("mbtool");
        let built = env!("CARGO_BIN_EXE_mbtool");
        fs::hard_link(built, &program)
            .or_else(|_| fs::copy(built, &program).map(drop))
            .unwrap();
        for (name, bytes) in [
            ("xen", synth::xen_like()),
            ("vmlinuz", synth::bzimage()),
            ("initrd", vec![3; 100_001]),
            ("garbage", vec![0x5a; 300]),
            ("tree", device_tree()),
            ("log", include_bytes!("data/decode/drill-long.log").to_vec()),
            ("crash.toml", b"[load]\nimage='/no/such/image'\n".to_vec()),
        ] {
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        for name in ["qemu-q35-ovmf.json", "bios-crash.json"] {
            fs::copy(data.join(name), dir.path().join(name)).unwrap();
        }
        Self { dir, program }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Opens a stream, or leaves it to the shell to close it.
    fn open(&self, stream: Stream, name: &str) -> Stdio {
        match stream {
            Stream::Works => File::create(self.path(name)).unwrap().into(),
            Stream::Closed => Stdio::null(),
            Stream::ReadOnly => File::open("/dev/null").unwrap().into(),
            Stream::Full => OpenOptions::new()
                .write(true)
                .open("/dev/full")
                .unwrap()
                .into(),
            Stream::Pipe => std::io::pipe().unwrap().1.into(),
        }
    }

    /// Runs a command; returns its exit code. `harmless`: as a user without rights.
    fn run(&self, args: &[&str], out: Stream, err: Stream, harmless: bool) -> Option<i32> {
        let close = |stream, text| if stream == Stream::Closed { text } else { "" };
        let script = format!(
            "exec \"$0\" \"$@\" {} {}",
            close(out, ">&-"),
            close(err, "2>&-")
        );
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &script])
            .arg(&self.program)
            .args(args)
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(self.open(out, "stdout"))
            .stderr(self.open(err, "stderr"));
        if harmless && fs::metadata("/proc/self").unwrap().uid() == 0 {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.status().unwrap().code()
    }

    fn text(&self, name: &str) -> String {
        let mut text = String::new();
        let mut file = File::open(self.path(name)).unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }
}

/// A device tree with an empty root (Devicetree Specification, chapter 5).
fn device_tree() -> Vec<u8> {
    let header = [0xd00d_feed_u32, 72, 56, 72, 40, 17, 16, 0, 0, 16];
    let reservations = [0; 4];
    let structure = [1, 0, 2, 9];
    let words = header.iter().chain(&reservations).chain(&structure);
    words.flat_map(|word| word.to_be_bytes()).collect()
}

/// The exit code where `code` is that of the work, and `data` says whether standard output is used.
fn expected(code: i32, data: bool, out: Stream) -> i32 {
    match out {
        Stream::Full if data && code == 0 => INCOMPLETE,
        _ => code,
    }
}

#[test]
fn every_verb_ends_with_its_exit_code() {
    let world = World::new();
    // arguments, whether they print data, whether root must not run them
    let verbs: &[(&[&str], bool, bool)] = &[
        (&["--help"], true, false),
        (&["--version"], true, false),
        (&["help", "load"], true, false),
        (&["load", "--help"], true, false),
        (&["lood"], false, false),
        (&["load"], false, false),
        (
            &["plan", "--memory-map", "qemu-q35-ovmf.json", "xen"],
            true,
            false,
        ),
        (
            &[
                "plan",
                "--memory-map",
                "qemu-q35-ovmf.json",
                "--json",
                "xen",
            ],
            true,
            false,
        ),
        (
            &[
                "plan",
                "--memory-map",
                "qemu-q35-ovmf.json",
                "--svg",
                "x.svg",
                "xen",
            ],
            false,
            false,
        ),
        (
            &["plan", "--memory-map", "qemu-q35-ovmf.json", "garbage"],
            false,
            false,
        ),
        (&["load", "--dry-run", "garbage"], false, false),
        (&["load", "--backend", "dir:x", "garbage"], false, false),
        (&["exec"], false, true),
        (&["exec", "--force"], false, true),
        (&["unload"], false, true),
        (&["unload", "--panic"], false, true),
        (&["status"], true, false),
        (&["status", "--json"], true, false),
        (&["doctor"], true, false),
        (&["doctor", "--json"], true, false),
        (&["probe"], true, false),
        (&["probe", "--json"], true, false),
        (&["inspect", "xen"], true, false),
        (&["inspect", "vmlinuz", "--json"], true, false),
        (&["inspect", "garbage"], true, false),
        (&["dtb", "tree"], true, false),
        (&["dtb", "tree", "--diff", "tree"], false, false),
        (&["dtb", "garbage"], false, false),
        (&["decode", "log"], true, false),
        (&["decode", "--json", "log"], true, false),
        (&["decode", "garbage"], false, false),
        (&["decode", "--ram-log", "auto"], false, true),
        (
            &[
                "crash",
                "size",
                "--memory-map",
                "bios-crash.json",
                "vmlinuz",
            ],
            true,
            false,
        ),
        (
            &[
                "crash",
                "size",
                "--memory-map",
                "bios-crash.json",
                "--json",
                "vmlinuz",
            ],
            true,
            false,
        ),
        (&["crash", "load", "--config", "crash.toml"], false, true),
        (
            &[
                "crash",
                "save",
                "--no-reboot",
                "--config",
                "crash.toml",
                "--vmcore",
                "/no",
            ],
            false,
            true,
        ),
        (&["crash", "uninstall", "--root", "nothing"], false, false),
    ];
    let code = world.run(&["--help"], Stream::Works, Stream::Works, false);
    assert_eq!(code, Some(0));
    let help = world.text("stdout");
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in commands.take_while(|line| !line.is_empty()) {
        let verb = line.split(' ').nth(2).unwrap_or_default(); // after two spaces, if not continued
        let tried = verbs.iter().any(|(args, ..)| args.first() == Some(&verb));
        assert!(verb.is_empty() || tried, "{verb} is not tried");
    }
    for (args, data, harmless) in verbs {
        let run = |out, err| world.run(args, out, err, *harmless);
        let code = run(Stream::Works, Stream::Works).unwrap();
        assert!((0..3).contains(&code), "{args:?}: {}", world.text("stderr"));
        let (out, err) = (world.text("stdout"), world.text("stderr"));
        assert_eq!(!out.is_empty(), *data, "{args:?}: {out}{err}");
        for (out, err) in pairs() {
            let found = run(out, err);
            let expected = expected(code, *data, out);
            assert_eq!(found, Some(expected), "{args:?} {out:?} {err:?}");
            if err != Stream::Works {
                continue;
            }
            let messages = world.text("stderr");
            assert!(
                !messages.contains("panicked"),
                "{args:?} {out:?}: {messages}"
            );
            let lost = messages.contains("No space left on device");
            assert_eq!(
                lost,
                *data && out == Stream::Full,
                "{args:?} {out:?}: {messages}"
            );
        }
    }
}

/// All files below `dir`, with their bytes.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = vec![];
    let mut left = vec![dir.to_owned()];
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => left.push(path),
                false => found.push((path.clone(), fs::read(&path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

/// Messages are printed before, while and after an image is loaded, and while files are installed.
#[test]
fn what_is_done_does_not_depend_on_the_streams() {
    let world = World::new();
    fs::create_dir_all(world.path("root/usr/sbin")).unwrap();
    fs::write(world.path("root/usr/sbin/mbtool"), "x").unwrap();
    let installed = world.path("root");
    let root = installed.to_str().unwrap();
    let works: &[(&[&str], &[&str], &str)] = &[
        (
            &[
                "load",
                "--backend",
                "dir:loaded",
                "--initrd",
                "initrd",
                "--cmdline",
                "root=/dev/sda1 console=ttyS0",
                "vmlinuz",
            ],
            &[],
            "loaded",
        ),
        (
            &[
                "load",
                "--backend",
                "dir:loaded",
                "--console",
                "com1",
                "--module",
                "initrd x",
                "xen",
            ],
            &[],
            "loaded",
        ),
        (
            &["crash", "install", "--root", root, "--device", "UUID=1"],
            &["crash", "uninstall", "--root", root],
            "root/etc",
        ),
    ];
    for (args, undo, result) in works {
        let result = world.path(result);
        let run = |out, err| {
            let _ = fs::remove_dir_all(&result);
            assert_eq!(
                world.run(args, out, err, false),
                Some(0),
                "{args:?} {out:?} {err:?}"
            );
            let found = files(&result);
            assert!(!found.is_empty());
            if !undo.is_empty() {
                assert_eq!(
                    world.run(undo, out, err, false),
                    Some(0),
                    "{undo:?} {out:?} {err:?}"
                );
                assert!(!result.exists() || files(&result).is_empty());
            }
            found
        };
        let before = run(Stream::Works, Stream::Works);
        assert!(!world.text("stderr").is_empty());
        for (out, err) in pairs() {
            assert!(run(out, err) == before, "{args:?} {out:?} {err:?}");
        }
    }
    let left: Vec<_> = files(world.dir.path())
        .into_iter()
        .map(|(path, _)| path.strip_prefix(world.dir.path()).unwrap().to_owned())
        .filter(|path| path.to_string_lossy().contains(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A limit of file sizes (ulimit -f) is a signal, unless that is ignored.
#[test]
fn a_limit_of_file_sizes_is_an_error_too() {
    let world = World::new();
    for (args, expected) in [
        (
            &["plan", "--memory-map", "qemu-q35-ovmf.json", "xen"][..],
            INCOMPLETE,
        ),
        (&["load", "--dry-run", "garbage"], 1),
    ] {
        let status = Command::new("/bin/sh")
            .args(["-c", "ulimit -f 0; exec \"$0\" \"$@\""])
            .arg(&world.program)
            .args(args)
            .current_dir(world.dir.path())
            .stdin(Stdio::null())
            .stdout(world.open(Stream::Works, "stdout"))
            .stderr(world.open(Stream::Works, "stderr"))
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(expected), "{args:?}");
    }
}
