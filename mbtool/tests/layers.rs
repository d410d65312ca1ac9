//! Permitted imports between folders, in all crates. Cargo enforces them between crates; this
//! test does within a crate. docs/architecture.md describes the folders.
//! Also: a name of a public type is defined once.

#[path = "layers/source.rs"]
mod source;

use source::{imports, types, users};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const CRATES: [&str; 6] = [
    "handoff",
    "xen-shim",
    "mbtool",
    "images",
    "tests",
    "tests/guest",
];

/// Modules of one level, from the bottom up: each with those that it may import, which are listed
/// before it.
type Table = &'static [(&'static str, &'static [&'static str])];

const MBTOOL: Table = &[
    ("abi", &[]),
    ("arch", &[]),
    ("sys", &[]),
    ("input", &[]),
    ("decompress", &[]),
    ("fdt", &["abi"]),
    ("image", &["abi", "arch", "decompress"]),
    ("host", &["abi", "arch", "decompress", "fdt", "sys"]),
    ("ramlog", &["host", "sys"]),
    ("quiesce", &["abi", "sys"]),
    ("config", &["input"]),
    ("save", &["config", "sys"]),
    ("decode", &["arch"]),
    (
        "plan",
        &[
            "abi",
            "arch",
            "decompress",
            "fdt",
            "host",
            "image",
            "ramlog",
            "sys",
        ],
    ),
    ("probe", &["arch", "host"]),
    ("backend", &["arch", "host", "plan", "sys"]),
    (
        "request",
        &[
            "abi",
            "arch",
            "backend",
            "config",
            "decompress",
            "fdt",
            "host",
            "image",
            "input",
            "plan",
            "ramlog",
            "sys",
        ],
    ),
    (
        "setup",
        &["config", "image", "input", "plan", "request", "sys"],
    ),
    (
        "doctor",
        &[
            "abi",
            "arch",
            "backend",
            "config",
            "decompress",
            "host",
            "input",
            "plan",
            "probe",
            "request",
            "setup",
            "sys",
        ],
    ),
    (
        "cmd",
        &[
            "abi",
            "arch",
            "backend",
            "config",
            "decode",
            "decompress",
            "doctor",
            "fdt",
            "host",
            "image",
            "input",
            "plan",
            "probe",
            "quiesce",
            "ramlog",
            "request",
            "setup",
            "sys",
        ],
    ),
    (
        "cli",
        &[
            "backend", "cmd", "config", "image", "input", "quiesce", "request", "save", "setup",
            "sys",
        ],
    ),
];

const PLAN: Table = &[
    ("bytes", &[]),
    ("hex", &[]),
    ("cmdline_change", &[]),
    ("request", &["cmdline_change"]),
    ("corrupt", &[]),
    ("ram_log", &[]),
    ("xen_image", &[]),
    ("place", &[]),
    (
        "boot",
        &["cmdline_change", "hex", "place", "request", "xen_image"],
    ),
    ("xen_heap", &["boot", "place"]),
    ("crash", &["boot", "cmdline_change", "place"]),
    ("check", &["place"]),
    ("report", &["boot", "cmdline_change", "hex", "place"]),
    ("error", &["boot", "check", "crash", "place", "xen_heap"]),
    ("segments", &["boot", "place"]),
    ("dt_target", &[]),
    ("handoff_dt", &["dt_target", "place"]),
    (
        "build_dt",
        &[
            "boot",
            "check",
            "cmdline_change",
            "crash",
            "dt_target",
            "handoff_dt",
            "place",
            "ram_log",
            "report",
            "request",
            "segments",
            "xen_image",
        ],
    ),
    ("advice", &["boot", "build_dt", "crash", "dt_target"]),
    (
        "build",
        &[
            "advice",
            "boot",
            "build_dt",
            "check",
            "crash",
            "dt_target",
            "place",
            "ram_log",
            "report",
            "segments",
            "xen_heap",
        ],
    ),
];

const DECODE: Table = &[
    ("bits", &[]),
    ("build_id", &[]),
    ("disasm", &[]),
    ("noise", &[]),
    ("lines", &["noise"]),
    ("text_set", &[]),
    ("log_line", &["text_set"]),
    ("unwrap", &["lines", "log_line"]),
    ("follow", &[]),
    ("mca", &[]),
    ("registers", &[]),
    ("linux", &[]),
    ("handoff_log", &[]),
    ("found", &["handoff_log"]),
    ("dumps", &["found", "log_line", "text_set"]),
    ("known_lines", &["log_line"]),
    ("boots", &["dumps", "log_line", "noise", "text_set"]),
    (
        "survey",
        &[
            "boots",
            "dumps",
            "handoff_log",
            "known_lines",
            "log_line",
            "text_set",
        ],
    ),
    (
        "scan",
        &[
            "dumps",
            "found",
            "handoff_log",
            "linux",
            "log_line",
            "survey",
            "text_set",
            "unwrap",
        ],
    ),
    ("symbols", &["build_id"]),
    ("address_map", &["handoff_log"]),
    ("symbolizer", &["address_map", "symbols"]),
    ("stack", &["address_map", "symbolizer", "symbols"]),
    (
        "rules",
        &["address_map", "bits", "disasm", "found", "mca", "symbols"],
    ),
    ("explain", &["bits", "found", "rules"]),
    (
        "riscv64",
        &[
            "address_map",
            "disasm",
            "explain",
            "found",
            "handoff_log",
            "rules",
            "symbolizer",
            "symbols",
        ],
    ),
    (
        "arm64",
        &[
            "address_map",
            "disasm",
            "explain",
            "found",
            "handoff_log",
            "rules",
            "symbolizer",
            "symbols",
        ],
    ),
    ("uncertain", &["found", "registers", "rules"]),
    (
        "report",
        &[
            "address_map",
            "arm64",
            "bits",
            "disasm",
            "explain",
            "found",
            "riscv64",
            "rules",
            "stack",
            "symbolizer",
            "symbols",
            "uncertain",
        ],
    ),
    (
        "show",
        &[
            "address_map",
            "arm64",
            "found",
            "registers",
            "report",
            "riscv64",
            "stack",
            "symbols",
        ],
    ),
    (
        "summary",
        &["boots", "known_lines", "noise", "show", "survey"],
    ),
];

/// The other crates: modules from the bottom up, each of which may import those before it. One that
/// is not listed may import any, without cycles.
const ORDERS: [(&str, &[&str]); 4] = [
    (
        "handoff",
        &[
            "addr", "names", "abi", "crc", "sha256", "uart", "print", "console", "dump", "ramlog",
            "pagelist", "runs", "extents", "arch", "spec", "blob",
        ],
    ),
    (
        "xen-shim",
        &[
            "cpuid",
            "recognize",
            "low_memory",
            "acpi",
            "contract",
            "arm",
            "hypercall",
        ],
    ),
    (
        "images",
        &[
            "progress",
            "cpio",
            "cache",
            "store",
            "assets",
            "rootfs",
            "guest",
            "jump_kernel",
            "qemu",
        ],
    ),
    (
        "tests",
        &[
            "dirs", "times", "clock", "process", "qmp", "serial", "gdb", "machine", "template",
            "run", "attempt", "to_xen",
        ],
    ),
];

#[test]
fn folders_of_mbtool_import_what_stands_below_them() {
    for (level, table) in [("", MBTOOL), ("plan", PLAN), ("decode", DECODE)] {
        let imports = imports("mbtool", level);
        let mut below: BTreeSet<&str> = BTreeSet::new();
        for (name, allowed) in table {
            assert!(
                allowed.iter().all(|other| below.contains(other)),
                "the table is not in order at {name}"
            );
            below.insert(name);
            for (other, file) in imports.get(*name).into_iter().flatten() {
                assert!(
                    allowed.contains(&other.as_str()),
                    "{}: {name} may not import {other}",
                    file.display()
                );
            }
        }
        for name in imports.keys() {
            assert!(
                below.contains(name.as_str()),
                "{level}::{name} is in no table: see docs/architecture.md"
            );
        }
    }
}

#[test]
fn the_other_crates_have_layers_too() {
    for (name, order) in ORDERS {
        let imports = imports(name, "");
        for (index, module) in order.iter().enumerate() {
            for (other, file) in imports.get(*module).into_iter().flatten() {
                let above = order.iter().position(|one| one == other);
                assert!(
                    above.is_none_or(|above| above < index),
                    "{}: {name}::{module} may not import {other}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn there_are_no_circles() {
    for name in CRATES {
        let mut imports = imports(name, "");
        // modules that import none of the remaining ones are in no cycle
        loop {
            let left: BTreeSet<String> = imports.keys().cloned().collect();
            imports.retain(|_, others| others.keys().any(|other| left.contains(other)));
            if imports.len() == left.len() {
                break;
            }
        }
        let circle: Vec<_> = imports.keys().collect();
        assert!(
            circle.is_empty(),
            "{name}: on circles, or above one: {circle:?}"
        );
    }
}

/// Types that a reader of several folders can meet. Those of test modules, programs (`src/bin`, payloads) and
/// `pub(super)` ones are seen in one place only; associated types have the name that their trait gives them.
#[test]
fn a_public_type_name_stands_for_one_thing() {
    let mut files: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (name, file) in CRATES.into_iter().flat_map(types) {
        files.entry(name).or_default().push(file);
    }
    files.retain(|_, files| files.len() > 1);
    assert!(files.is_empty(), "defined more than once: {files:#?}");
}

/// A print macro panics where its stream is closed or full, in the middle of a load: sys/output.rs has what does not.
#[test]
fn one_file_writes_to_standard_output_and_standard_error() {
    let macros = ["print!", "println!", "eprint!", "eprintln!", "dbg!"];
    let found = users("mbtool", &macros);
    assert!(found.is_empty(), "use sys::output instead: {found:?}");
    let streams = ["io::stdout", "io::stderr", "stdio::", "Stdout", "Stderr"];
    let mut found = users("mbtool", &streams);
    found.retain(|(file, _)| file != Path::new("sys/output.rs"));
    assert!(found.is_empty(), "use sys::output instead: {found:?}");
}
