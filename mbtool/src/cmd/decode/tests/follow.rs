//! Logs that grow: files, pipes and terminals.

use super::*;
use rustix::fs::{Mode, OFlags};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

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
    crate::sys::testing::put_fifo(&path);
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
