//! Logs in which nothing is found.

use super::*;

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
fn an_empty_file_is_an_empty_log() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = DecodeOptions {
        log: file.path().to_owned(),
        ..DecodeOptions::default()
    };
    let (mut out, mut printed) = (Vec::new(), Vec::new());
    let mut messages = Messages::new(&mut printed);
    let mut out = DataOutput::new(&mut out);
    let error = run(&options, &mut out, &mut messages).unwrap_err();
    let why = error.downcast_ref::<NothingFound>();
    assert!(matches!(why, Some(NothingFound::Empty { .. })), "{error}");
}

#[test]
fn a_file_that_is_no_log_is_named() {
    use crate::decompress::Compression;
    use crate::image::{FileKind, synth};
    use std::io::Write;
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    let kind = |log: &[u8]| match why(log) {
        NothingFound::OtherFile { kind, .. } => kind,
        other => panic!("{other:?}"),
    };
    let noise: Vec<u8> = (0..5000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let twice = gzip(&gzip(&noise));
    assert_eq!(kind(&twice), FileKind::Compressed(Compression::Gzip));
    let image = synth::bzimage();
    for log in [image.clone(), gzip(&image)] {
        assert!(matches!(kind(&log), FileKind::Setup(_)));
    }
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
