//! Tests with files, pipes and terminals.

use super::*;
use crate::decode::DecodeError;
use crate::decode::build_id::tests::program;
use crate::decompress::DecompressError;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const LOG: &[u8] = include_bytes!("../../tests/data/decode/target-ud2.log");

fn run_text(options: &DecodeOptions, log: &[u8]) -> (String, anyhow::Result<()>) {
    let mut out = Vec::new();
    let done = run_on(options, log, "log", &mut out);
    (String::from_utf8(out).unwrap(), done)
}

#[test]
fn text_and_json() {
    let mut options = DecodeOptions::default();
    let (text, done) = run_text(&options, LOG);
    done.unwrap();
    assert!(text.starts_with("#UD "), "{text}");
    options.json = true;
    let (json, done) = run_text(&options, LOG);
    done.unwrap();
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["format"], 1);
    assert_eq!(document["dumps"][0]["vector"]["number"], 6);
    assert_eq!(document["dumps"][0]["registers"]["rip"], "0x700053");
}

/// The reason of a refusal.
fn why(log: &[u8]) -> NothingFound {
    let error = run_text(&DecodeOptions::default(), log).1.unwrap_err();
    error.downcast().unwrap()
}

#[test]
fn a_log_in_which_nothing_is_found_is_refused_with_a_description() {
    let name = || "log".to_owned();
    assert_eq!(why(b""), NothingFound::Empty { name: name() });
    let banner = "[handoff] mbtool 0.1.0 at 0x100000, entered by linux\n";
    let base = 0x10_0000;
    assert_eq!(
        why(banner.as_bytes()),
        NothingFound::NoJump { name: name(), base }
    );
    let target = "0x00200000 (multiboot2, 32-bit), mbi 0x1000";
    let jumped = NothingFound::Jumped {
        name: name(),
        target: target.to_owned(),
        guard: false,
    };
    let log = format!("{banner}[handoff] jump to {target}\n");
    assert_eq!(why(log.as_bytes()), jumped);
    let bad = format!(
        "{banner}[handoff] verify module 1: a b 0x1000-0x2000 7 bytes: BAD crc32, expected 1\n"
    );
    let damaged = NothingFound::Damaged {
        name: name(),
        segments: vec!["module 1: a b".to_owned()],
    };
    assert_eq!(why(bad.as_bytes()), damaged);
}

#[test]
fn port_and_speed_are_only_mentioned_for_noise() {
    let text = "some text\nof another program\n".repeat(50);
    let name = || "log".to_owned();
    assert_eq!(
        why(text.as_bytes()),
        NothingFound::Text {
            name: name(),
            lines: 100
        }
    );
    let noise: Vec<u8> = (0..2000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    assert!(matches!(
        why(&noise),
        NothingFound::Noise {
            bytes: 2000,
            percent: 30..,
            ..
        }
    ));
}

/// Decodes a recorded log.
fn recorded(name: &str, options: &DecodeOptions) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/decode")
        .join(name);
    // no symbols of this machine
    let root = options
        .root
        .clone()
        .unwrap_or_else(|| "/nonexistent".into());
    let options = DecodeOptions {
        log: path,
        json: true,
        root: Some(root),
        ..options.clone()
    };
    let mut out = Vec::new();
    run(
        &options,
        &mut DataOutput::new(&mut out),
        &mut Messages::new(io::sink()),
    )
    .unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn names(list: &serde_json::Value, field: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

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

/// The symbols of that Xen, found by the build ID in its banner.
#[test]
fn symbols_are_found_by_build_id() {
    let id: Vec<u8> = (0..20)
        .map(|at| {
            u8::from_str_radix(
                &"576c0736b3e38388c5afe9aaccc43a18d514e88e"[2 * at..][..2],
                16,
            )
            .unwrap()
        })
        .collect();
    let symbols = [
        ("clear_page", 0xffff_82d0_4021_6240),
        ("__start_xen", 0xffff_82d0_4021_6250),
        ("__high_start", 0xffff_82d0_4021_6258),
    ];
    let mut code = vec![0xb9, 0x80, 0, 0, 0, 0x31, 0xc0];
    code.extend([
        0x48, 0x0f, 0xc3, 0x07, 0x48, 0x0f, 0xc3, 0x47, 0x08, 0x48, 0x0f, 0xc3, 0x47, 0x10, 0x48,
        0x0f, 0x90, 0x90,
    ]);
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("usr/lib/debug/.build-id/57");
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join("6c0736b3e38388c5afe9aaccc43a18d514e88e.debug");
    fs::write(&file, program(0xffff_82d0_4021_6240, &code, &symbols, &id)).unwrap();
    let options = DecodeOptions {
        root: Some(root.path().to_owned()),
        ..DecodeOptions::default()
    };
    let log = recorded("xen-panics-after-handoff.log", &options);
    let dump = &log["dumps"][0];
    assert_eq!(
        (
            &dump["addresses"][0]["symbol"]["name"],
            &dump["addresses"][0]["symbol"]["offset"]
        ),
        (&"clear_page".into(), &7.into())
    );
    assert_eq!(dump["calls"][0]["symbol"]["name"], "clear_page");
    assert_eq!(dump["notes"], serde_json::json!([]));
    assert_eq!(log["build_ids"][0]["file"], file.display().to_string());
    // another build: a note
    fs::remove_file(&file).unwrap();
    let other = root.path().join("xen-syms");
    fs::write(
        &other,
        program(0xffff_82d0_4021_6240, &code, &symbols, &[1; 20]),
    )
    .unwrap();
    let options = DecodeOptions {
        symbols: vec![SymbolArg {
            path: other,
            base: None,
        }],
        ..options
    };
    let log = recorded("xen-panics-after-handoff.log", &options);
    let note = log["dumps"][0]["notes"][0].as_str().unwrap();
    assert!(
        note.contains("xen-syms is of another build") && note.contains("0101010101"),
        "{note}"
    );
    assert_eq!(log["build_ids"][0]["file"], serde_json::Value::Null);
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

/// The file with names of that Linux, moved by KASLR.
#[test]
fn functions_of_linux_are_found_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let vmlinux = dir.path().join("vmlinux");
    let symbols = [
        ("panic", 0xffff_ffff_8100_0000),
        ("kernel_init", 0xffff_ffff_8100_0200),
    ];
    fs::write(
        &vmlinux,
        program(0xffff_ffff_8100_0000, &[0x90; 0x300], &symbols, &[1; 20]),
    )
    .unwrap();
    let options = DecodeOptions {
        symbols: vec![SymbolArg {
            path: vmlinux,
            base: None,
        }],
        ..DecodeOptions::default()
    };
    let log = recorded("linux-panics-after-handoff.log", &options);
    let calls = &log["dumps"][0]["calls"];
    let slide = 0x2280_0000_u64;
    assert_eq!(
        calls[1]["address"],
        format!("{:#x}", 0xffff_ffff_8100_0118 + slide)
    );
    assert_eq!(
        (&calls[1]["symbol"]["name"], &calls[1]["symbol"]["offset"]),
        (&"panic".into(), &0x118.into())
    );
    assert_eq!(calls[6]["symbol"]["linked_at"], 0xffff_ffff_8100_0216_u64);
    assert_eq!(
        (&calls[0]["address"], &calls[0]["symbol"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
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
fn a_compressed_log_is_unpacked() {
    let log = recorded("dump.log.gz", &DecodeOptions::default());
    assert_eq!(
        (&log["dumps"][0]["source"], &log["dumps"][0]["integrity"]),
        (&"handoff".into(), &"whole".into())
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode/dump.log.gz");
    let cut = fs::read(path).unwrap();
    let error = run_text(&DecodeOptions::default(), &cut[..cut.len() - 9])
        .1
        .unwrap_err();
    assert!(
        error.downcast_ref::<DecompressError>().is_some(),
        "{error:#}"
    );
}

/// A log as a terminal of this width shows it.
fn wrapped(log: &[u8], width: usize) -> String {
    let log = String::from_utf8_lossy(log).replace('\r', "");
    let mut out = String::new();
    for line in log.lines() {
        let chars: Vec<char> = line.chars().collect();
        for part in chars.chunks(width) {
            out.extend(part);
            out.push('\n');
        }
        if chars.is_empty() {
            out.push('\n');
        }
    }
    out
}

#[test]
fn logs_of_narrow_terminals_are_read() {
    let options = DecodeOptions {
        json: true,
        root: Some("/nonexistent".into()),
        ..DecodeOptions::default()
    };
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/decode");
    for name in [
        "xen-panics-after-handoff.log",
        "linux-panics-after-handoff.log",
        "xen-fatal-nmi.log",
        "drill-long.log",
    ] {
        let log = fs::read(dir.join(name)).unwrap();
        let read = |log: &[u8]| -> serde_json::Value {
            let (json, done) = run_text(&options, log);
            done.unwrap();
            serde_json::from_str(&json).unwrap()
        };
        let want = read(&log);
        for width in [72, 80, 100, 132] {
            let got = read(wrapped(&log, width).as_bytes());
            let what = format!("{name} in {width} columns");
            for field in [
                "integrity",
                "registers",
                "calls",
                "at",
                "message",
                "code",
                "vector",
            ] {
                assert_eq!(
                    got["dumps"][0][field], want["dumps"][0][field],
                    "{what}: {field}"
                );
            }
            assert_eq!(
                names(&got["failures"], "text"),
                names(&want["failures"], "text"),
                "{what}"
            );
            let stages = |log: &serde_json::Value| -> Vec<Vec<String>> {
                let boots = log["boots"].as_array().unwrap().iter();
                boots.map(|boot| names(&boot["stages"], "stage")).collect()
            };
            assert_eq!(stages(&got), stages(&want), "{what}");
        }
    }
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

#[test]
fn a_log_of_nothing_but_dumps_is_cut() {
    let one = "[handoff] EXCEPTION vector 6 (#UD invalid opcode) error none mode long phase verify format 1\n";
    let options = DecodeOptions {
        json: true,
        ..DecodeOptions::default()
    };
    let (json, _) = run_text(&options, one.repeat(1500).as_bytes());
    let log: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (log["dumps"].as_array().unwrap().len(), &log["more_dumps"]),
        (1000, &500.into())
    );
}

#[test]
fn plans_and_symbols_that_cannot_be_read_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let plan = dir.path().join("plan.json");
    fs::write(&plan, "{}").unwrap();
    let mut options = DecodeOptions {
        plan: Some(dir.path().to_owned()),
        ..DecodeOptions::default()
    };
    let error = run_text(&options, LOG).1.unwrap_err();
    assert_eq!(error.to_string(), plan.display().to_string());
    assert!(
        matches!(error.downcast_ref(), Some(DecodeError::Plan(_))),
        "{error:#}"
    );
    options.plan = None;
    options.symbols = vec![SymbolArg {
        path: plan,
        base: None,
    }];
    let error = run_text(&options, LOG).1.unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(DecodeError::Symbols { name, .. })
            if name == "plan.json"),
        "{error:#}"
    );
}

/// Sends written data to a channel at each flush.
struct Channel(mpsc::Sender<String>, Vec<u8>);

impl Write for Channel {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let text = String::from_utf8(std::mem::take(&mut self.1)).unwrap();
        // the receiver may be gone
        let _ = self.0.send(text);
        Ok(())
    }
}

/// Follows `path` in a thread; returns a channel of dumps.
fn follow(
    path: PathBuf,
) -> (
    mpsc::Receiver<String>,
    thread::JoinHandle<anyhow::Result<()>>,
) {
    let (send, receive) = mpsc::channel();
    let options = DecodeOptions {
        log: path,
        json: true,
        follow: true,
        ..DecodeOptions::default()
    };
    let run = move || {
        let mut out = DataOutput::new(Channel(send, Vec::new()));
        run(&options, &mut out, &mut Messages::new(io::sink()))
    };
    (receive, thread::spawn(run))
}

/// Returns the next dump; the timeout of a minute is for a busy machine.
fn next(dumps: &mpsc::Receiver<String>) -> serde_json::Value {
    let line = dumps.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    serde_json::from_str(&line).unwrap()
}

/// As `mbtool decode --follow FILE | head -1`.
#[test]
fn following_ends_without_a_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, LOG).unwrap();
    let options = DecodeOptions {
        log: path,
        follow: true,
        ..DecodeOptions::default()
    };
    let mut out = DataOutput::new(io::pipe().unwrap().1);
    run(&options, &mut out, &mut Messages::new(io::sink())).unwrap();
    out.finish().unwrap();
}

#[test]
fn a_growing_file_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut file = fs::File::create(&path).unwrap();
    let (dumps, _) = follow(path.clone());
    let (first, rest) = LOG.split_at(LOG.len() / 2);
    file.write_all(first).unwrap();
    file.write_all(rest).unwrap();
    assert_eq!(next(&dumps)["integrity"], "whole");
    // truncated: printed once no more data comes
    let end = LOG.windows(11).position(|w| w == b"END OF DUMP").unwrap();
    file.write_all(&LOG[..end]).unwrap();
    assert_eq!(next(&dumps)["integrity"], "truncated");
    // rewritten
    fs::write(&path, "").unwrap();
    thread::sleep(Duration::from_millis(400));
    fs::write(&path, LOG).unwrap();
    assert_eq!(next(&dumps)["integrity"], "whole");
}

#[test]
fn a_pipe_is_followed_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        Mode::RUSR | Mode::WUSR,
        0,
    )
    .unwrap();
    let (dumps, thread) = follow(path.clone());
    let mut pipe = fs::OpenOptions::new().write(true).open(&path).unwrap();
    pipe.write_all(LOG).unwrap();
    assert_eq!(next(&dumps)["vector"]["number"], 6);
    pipe.write_all(LOG).unwrap();
    drop(pipe);
    assert_eq!(next(&dumps)["vector"]["number"], 6);
    thread.join().unwrap().unwrap();
}

/// A terminal is in raw mode without echo, and its settings are restored.
#[test]
fn a_terminal_is_followed_raw() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    // preserves the terminal's settings when the follower closes it
    let ours = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    let before = rustix::termios::tcgetattr(&ours).unwrap();
    let (dumps, thread) = follow(name.into());
    let mut master = fs::File::from(master);
    while rustix::termios::tcgetattr(&ours).unwrap().local_modes == before.local_modes {
        assert!(!thread.is_finished(), "{:?}", thread.join());
        thread::yield_now();
    }
    master.write_all(LOG).unwrap();
    assert_eq!(next(&dumps)["integrity"], "whole");
    // ctrl-d is passed through
    master.write_all(b"\x04\x03").unwrap();
    master.write_all(LOG).unwrap();
    assert_eq!(next(&dumps)["integrity"], "whole");
    drop(ours);
    drop(master);
    thread.join().unwrap().unwrap();
}

#[test]
fn missing_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_, thread) = follow(dir.path().join("none"));
    let error = thread.join().unwrap().unwrap_err();
    let none = dir.path().join("none").display().to_string();
    assert_eq!(error.to_string(), none, "{error:#}");
    let kind = error.downcast_ref().map(std::io::Error::kind);
    assert_eq!(kind, Some(std::io::ErrorKind::NotFound));
}
