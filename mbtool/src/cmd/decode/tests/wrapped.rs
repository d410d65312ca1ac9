//! Logs of narrow terminals.

use super::*;

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
