//! Tests with files, pipes and terminals.

use super::*;
use crate::decode::DecodeError;
use rustix::fs::{Mode, OFlags};
use std::fs;
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

#[test]
fn a_log_without_a_dump_is_refused_with_a_description() {
    let options = DecodeOptions::default();
    let why = |log: &str| -> NoDump {
        let error = run_text(&options, log.as_bytes()).1.unwrap_err();
        error.downcast().unwrap()
    };
    let name = || "log".to_owned();
    assert_eq!(why(""), NoDump::NoHandoff { name: name() });
    let banner = "[handoff] mbtool 0.1.0 at 0x100000, entered by linux\n";
    let base = 0x10_0000;
    assert_eq!(why(banner), NoDump::NoJump { name: name(), base });
    let target = "0x00200000 (multiboot2, 32-bit), mbi 0x1000";
    let jumped = NoDump::Jumped {
        name: name(),
        target: target.to_owned(),
        guard: false,
    };
    assert_eq!(
        why(&format!("{banner}[handoff] jump to {target}\n")),
        jumped
    );
    let bad = format!(
        "{banner}[handoff] verify module 1: a b 0x1000-0x2000 7 bytes: BAD crc32, expected 1\n"
    );
    let damaged = NoDump::Damaged {
        name: name(),
        segments: vec!["module 1: a b".to_owned()],
    };
    assert_eq!(why(&bad), damaged);
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
        let mut out = Channel(send, Vec::new());
        run(&options, &mut out, &mut Vec::new())
    };
    (receive, thread::spawn(run))
}

/// Returns the next dump; the timeout of a minute is for a busy machine.
fn next(dumps: &mpsc::Receiver<String>) -> serde_json::Value {
    let line = dumps.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    serde_json::from_str(&line).unwrap()
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
