//! Tests with files, pipes and terminals.

use super::*;
use rustix::fs::{Mode, OFlags};
use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const LOG: &[u8] = include_bytes!("../../tests/data/decode/target-ud2.log");

fn run_text(options: &DecodeOptions, log: &[u8]) -> (String, Option<String>) {
    let mut out = Vec::new();
    let error = run_on(options, log, "log", &mut out).err();
    (
        String::from_utf8(out).unwrap(),
        error.map(|error| format!("{error:#}")),
    )
}

#[test]
fn text_and_json() {
    let mut options = DecodeOptions::default();
    let (text, error) = run_text(&options, LOG);
    assert!(
        text.starts_with("#UD invalid opcode (vector 6)\n") && error.is_none(),
        "{text}"
    );
    options.json = true;
    let (json, error) = run_text(&options, LOG);
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&document["format"], error), (&1.into(), None));
    assert_eq!(document["dumps"][0]["vector"]["number"], 6);
    assert_eq!(document["dumps"][0]["registers"]["rip"], "0x700053");
}

#[test]
fn a_log_without_a_dump_is_refused_with_a_description() {
    let options = DecodeOptions::default();
    let why = |log: &str| run_text(&options, log.as_bytes()).1.unwrap();
    assert!(why("").contains("check port and baud rate"));
    let banner = "[handoff] mbtool 0.1.0 at 0x100000, entered by linux\n";
    assert!(why(banner).contains("did not reach its jump"));
    let jump = format!("{banner}[handoff] jump to 0x00200000 (multiboot2, 32-bit), mbi 0x1000\n");
    assert!(why(&jump).contains(
        "jumped to 0x00200000 (multiboot2, 32-bit), mbi 0x1000 and saw no fault; if it died"
    ));
    let bad = format!(
        "{banner}[handoff] verify module 1: a b 0x1000-0x2000 7 bytes: BAD crc32, expected 1\n"
    );
    assert!(
        why(&bad).contains("did not start: module 1: a b"),
        "{}",
        why(&bad)
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
    let (_, error) = run_text(&options, LOG);
    let error = error.unwrap();
    assert!(
        error.contains("plan.json") && error.contains("segments"),
        "{error}"
    );
    options.plan = None;
    options.symbols = vec![SymbolArg {
        path: plan,
        base: None,
    }];
    let (_, error) = run_text(&options, LOG);
    assert!(error.unwrap().contains("symbols plan.json: "));
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
    thread::JoinHandle<Result<(), String>>,
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
        run(&options, &mut out, &mut Vec::new()).map_err(|error| format!("{error:#}"))
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
    assert_eq!(thread.join().unwrap(), Ok(()));
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
    assert_eq!(thread.join().unwrap(), Ok(()));
}

#[test]
fn missing_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_, thread) = follow(dir.path().join("none"));
    assert!(thread.join().unwrap().unwrap_err().contains("none"));
}
