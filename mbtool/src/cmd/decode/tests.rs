//! Tests with files.

mod follow;
mod nothing;
mod ram_log;
mod recorded;
mod recorded_arm64;
mod symbols;
mod wrapped;

use super::*;
use crate::decode::DecodeError;
use crate::decompress::DecompressError;
use std::fs;
use std::io;

const LOG: &[u8] = include_bytes!("../../../tests/data/decode/target-ud2.log");

fn run_text(options: &DecodeOptions, log: &[u8]) -> (String, anyhow::Result<()>) {
    let mut out = Vec::new();
    let done = run_on(options, log, "log", &mut out);
    (String::from_utf8(out).unwrap(), done)
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
        matches!(
            error.downcast_ref(),
            Some(PackedLogError::Unpack(DecompressError::Truncated { .. }))
        ),
        "{error:#}"
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
