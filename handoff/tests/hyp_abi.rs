//! The tables of docs/hyp-abi.md are those of the constants (`UPDATE_GOLDEN=1` writes them), and every
//! test that it names exists.

#[path = "hyp_abi/names.rs"]
mod names;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use handoff::hyp::calls::{HypCall, HypNumber, HypValue, UNKNOWN_LARGE, UNKNOWN_SMALL, clobbered};
use handoff::hyp::era::HypArch;
use handoff::hyp::occupant::HypOccupant;
use handoff::hyp::outcome::{outcome, stub_calls};
use names::{
    arch_name, call_name, era_name, occupant_name, outcome_name, precondition_name, register,
    value_name,
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// A table with the versions of an architecture as columns.
fn by_era(arch: HypArch, first: &str, rows: &[(String, Vec<String>)]) -> String {
    let mut text = format!("| {first} |");
    for &era in arch.eras() {
        write!(text, " {} |", era_name(arch, era)).unwrap();
    }
    write!(text, "\n|{}\n", "---|".repeat(arch.eras().len() + 1)).unwrap();
    for (name, cells) in rows {
        writeln!(text, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    text
}

fn numbers(arch: HypArch) -> String {
    let cell = |call: HypCall, era| match call.number(arch, era) {
        Some(HypNumber::Number(number)) if number == u32::MAX.into() => "-1".to_owned(),
        Some(HypNumber::Number(number)) => number.to_string(),
        Some(HypNumber::Argument) => "the base".to_owned(),
        None => "-".to_owned(),
    };
    let known = HypCall::ALL
        .into_iter()
        .filter(|call| *call != HypCall::Unknown);
    let known = known.filter(|call| {
        arch.eras()
            .iter()
            .any(|era| call.number(arch, *era).is_some())
    });
    let mut rows: Vec<_> = known
        .map(|call| {
            let cells = arch.eras().iter().map(|era| cell(call, *era)).collect();
            (call_name(call).to_owned(), cells)
        })
        .collect();
    let counts = arch.eras().iter().map(|era| match stub_calls(arch, *era) {
        0 => "-".to_owned(),
        count => count.to_string(),
    });
    rows.push(("HVC_STUB_HCALL_NR".to_owned(), counts.collect()));
    by_era(arch, "call", &rows)
}

fn outcomes(arch: HypArch) -> String {
    let mut rows = Vec::new();
    for occupant in HypOccupant::ALL {
        for call in HypCall::ALL {
            let cells: Vec<_> = arch
                .eras()
                .iter()
                .map(|era| outcome(arch, *era, occupant, call))
                .collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let cells = cells
                .into_iter()
                .map(|cell| cell.map_or("-", outcome_name).to_owned())
                .collect();
            let name = format!("{}: {}", occupant_name(occupant), call_name(call));
            rows.push((name, cells));
        }
    }
    by_era(arch, "who: call", &rows)
}

fn registers() -> String {
    let mut text = String::from("| call | in | out | before the call |\n|---|---|---|---|\n");
    for call in HypCall::ALL
        .into_iter()
        .filter(|call| *call != HypCall::Unknown)
    {
        // the newest version that has the call
        let (arch, era) = [HypArch::Arm64, HypArch::Arm32]
            .into_iter()
            .find_map(|arch| {
                let mut eras = arch.eras().iter().rev();
                let era = eras.find(|era| call.number(arch, **era).is_some())?;
                Some((arch, *era))
            })
            .unwrap();
        let list = |values: &[(u8, HypValue)]| {
            let listed: Vec<_> = values
                .iter()
                .map(|(number, value)| format!("x{number} {}", value_name(*value)))
                .collect();
            match listed.is_empty() {
                true => "-".to_owned(),
                false => listed.join(", "),
            }
        };
        let before: Vec<_> = call
            .preconditions()
            .iter()
            .map(|precondition| precondition_name(*precondition))
            .collect();
        writeln!(
            text,
            "| {} | {} | {} | {} |",
            call_name(call),
            list(call.inputs(arch, era)),
            list(call.outputs(era)),
            before.join("; ")
        )
        .unwrap();
    }
    text
}

fn lost() -> String {
    let mut text = String::from("| architecture | from | lost |\n|---|---|---|\n");
    for arch in [HypArch::Arm32, HypArch::Arm64] {
        for &era in arch.eras() {
            let mask = clobbered(arch, era);
            let mut names = Vec::new();
            let mut number = 0;
            while number < 32 {
                let run = (mask >> number).trailing_ones();
                match run {
                    0 => {
                        number += 1;
                        continue;
                    }
                    1 => names.push(format!("{}{number}", register(arch))),
                    _ => names.push(format!(
                        "{0}{number}-{0}{1}",
                        register(arch),
                        number + run - 1
                    )),
                }
                number += run;
            }
            writeln!(
                text,
                "| {} | {} | {} |",
                arch_name(arch),
                era_name(arch, era),
                names.join(", ")
            )
            .unwrap();
        }
    }
    text
}

fn probes() -> String {
    format!("{UNKNOWN_SMALL} and {UNKNOWN_LARGE:#x}\n")
}

/// Replaces what stands between the markers of a name.
fn replace(text: &str, name: &str, with: &str) -> String {
    let begin = format!("<!-- {name} -->\n");
    let (before, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no marker {name}"));
    let (_, after) = rest
        .split_once("<!-- end -->\n")
        .unwrap_or_else(|| panic!("no end of {name}"));
    format!("{before}{begin}{with}<!-- end -->\n{after}")
}

#[test]
fn the_document_has_the_tables_of_the_constants() {
    let path = workspace().join("docs/hyp-abi.md");
    let found = fs::read_to_string(&path).unwrap();
    let mut expected = found.clone();
    for (name, table) in [
        ("numbers arm64", numbers(HypArch::Arm64)),
        ("numbers arm", numbers(HypArch::Arm32)),
        ("registers", registers()),
        ("lost", lost()),
        ("outcomes arm64", outcomes(HypArch::Arm64)),
        ("outcomes arm", outcomes(HypArch::Arm32)),
        ("probes", probes()),
    ] {
        expected = replace(&expected, name, &table);
    }
    if env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &expected).unwrap();
        return;
    }
    assert!(
        found == expected,
        "docs/hyp-abi.md is not what the constants give: UPDATE_GOLDEN=1 cargo test -p handoff \
         --test hyp_abi"
    );
}

#[test]
fn every_test_that_the_document_names_exists() {
    let text = fs::read_to_string(workspace().join("docs/hyp-abi.md")).unwrap();
    let mut named = BTreeSet::new();
    for word in text.split('`') {
        let Some((file, test)) = word.split_once("::") else {
            continue;
        };
        // without a name: a mention of the file
        if file.starts_with("hyp") && !test.is_empty() {
            named.insert((file.to_owned(), test.to_owned()));
        }
    }
    assert!(named.len() > 15, "{named:?}");
    for (file, test) in named {
        let path = match file.as_str() {
            "hyp" => "handoff/src/hyp/tests.rs".to_owned(),
            "hyp_abi" => "handoff/tests/hyp_abi.rs".to_owned(),
            other => format!("images/tests/{other}.rs"),
        };
        let source = fs::read_to_string(workspace().join(&path)).unwrap_or_default();
        assert!(
            source.contains(&format!("fn {test}(")),
            "{path} has no test {test}"
        );
    }
}
