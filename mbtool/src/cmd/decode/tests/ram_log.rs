//! The handoff's log in RAM.

use super::*;

#[test]
fn a_log_in_ram_is_printed_with_or_without_a_dump() {
    let log = |text: &str| ramlog::Log {
        addr: 0x1000_0000,
        handoffs: 2,
        total: text.len() as u64 + 5,
        text: text.as_bytes().to_vec(),
    };
    let print = |text: &str, json| {
        let options = DecodeOptions {
            json,
            ..DecodeOptions::default()
        };
        let (mut out, mut messages) = (vec![], vec![]);
        let mut session = Session::new(&options).unwrap();
        let done = session.ram_log(&log(text), &mut out, &mut messages);
        let [out, messages] = [out, messages].map(|bytes| String::from_utf8(bytes).unwrap());
        (done.is_ok(), out, messages)
    };
    let quiet = "[handoff] jump to 0x00200000\x1b[1m\n";
    let (done, out, messages) = print(quiet, false);
    assert!(done);
    assert_eq!(out, "[handoff] jump to 0x00200000\u{fffd}[1m\n");
    let none = NothingFound::Jumped {
        name: "RAM log at 0x10000000".to_owned(),
        target: "0x00200000".to_owned(),
        guard: false,
    };
    let (log, why) = messages.split_once('\n').unwrap();
    assert_eq!(why, format!("mbtool: {none}\n"));
    // handoffs, and the bytes that are overwritten
    let has = |number: &str| log.split(' ').any(|part| part == number);
    assert!(has("2") && has("5"), "{log}");
    assert!(!print(quiet, true).0);
}
