//! Missing and uncertain fields of a dump.

use super::found::{DumpSource, FoundDump};
use super::registers::GPR;
use handoff::dump::Mode;
use handoff::dump::read::{Dump, Integrity};

const SEL: [&str; 6] = ["cs", "ds", "es", "fs", "gs", "ss"];
const CR: [&str; 4] = ["cr0", "cr2", "cr3", "cr4"];

/// Removes the fields that the handoff itself marks as unknown.
pub(super) fn without_lost(dump: &Dump) -> Dump {
    let mut dump = dump.clone();
    if dump.frame_lost {
        (dump.rip, dump.rflags, dump.error, dump.sel[0]) = (None, None, None, None);
    }
    dump
}

/// Returns all intact registers.
pub(super) fn registers(dump: &Dump) -> impl Iterator<Item = (&'static str, u64)> {
    let single = [
        ("rip", dump.rip),
        ("rflags", dump.rflags),
        ("efer", dump.efer),
        ("dr6", dump.dr6),
    ];
    let sel = SEL.into_iter().zip(dump.sel.map(|sel| sel.map(u64::from)));
    let all = single
        .into_iter()
        .chain(GPR.into_iter().zip(dump.gpr))
        .chain(sel);
    all.chain(CR.into_iter().zip(dump.cr))
        .filter_map(|(name, value)| Some((name, value?)))
}

/// Returns the fields that the source prints, and that this dump lacks.
pub(super) fn missing(source: DumpSource, dump: &Dump) -> Vec<&'static str> {
    let ours = source == DumpSource::Handoff;
    // the others print what they have
    if !ours && source != DumpSource::Linux {
        return Vec::new();
    }
    let mut expected: Vec<(&'static str, bool)> = vec![
        ("vector", dump.vector.is_some()),
        ("error", dump.error.is_some()),
    ];
    if ours {
        expected.push(("mode", dump.mode.is_some()));
        expected.push(("phase", dump.phase.is_some()));
    }
    let there: Vec<&str> = registers(dump).map(|(name, _)| name).collect();
    let shown = if dump.mode == Some(Mode::Protected) {
        8
    } else {
        16
    };
    let mut names = vec!["rip", "cr2"];
    names.extend(GPR[..shown].iter().filter(|name| ours || **name != "rbp"));
    if ours {
        names.extend(
            ["rflags", "cr0", "cr3", "cr4", "efer"]
                .into_iter()
                .chain(SEL),
        );
        if dump.format != Some(0) {
            names.push("dr6");
        }
        expected.push(("code", dump.code.is_some()));
        expected.push(("stack", dump.stack.is_some()));
    }
    expected.extend(names.into_iter().map(|name| (name, there.contains(&name))));
    expected
        .into_iter()
        .filter(|(_, there)| !there)
        .map(|(name, _)| name)
        .collect()
}

/// Returns reasons to doubt the other fields.
pub(super) fn uncertain(found: &FoundDump) -> Vec<String> {
    let mut notes = Vec::new();
    match found.dump.integrity() {
        Integrity::Whole => {}
        Integrity::Damaged => {
            notes.push("the dump is damaged: fields may come from other lines of the log".into())
        }
        Integrity::Truncated
            if !matches!(found.source, DumpSource::Handoff | DumpSource::Linux) =>
        {
            notes.push("registers are missing: the dump is cut or damaged".into())
        }
        Integrity::Truncated => notes.push("the dump is cut: its last line is missing".into()),
    }
    if found
        .dump
        .format()
        .is_some_and(|format| format > handoff::dump::FORMAT)
    {
        notes.push("the dump is of a newer mbtool: fields may have another meaning".into());
    }
    let own = env!("CARGO_PKG_VERSION");
    if let Some((version, _)) = found
        .log
        .handoff
        .as_ref()
        .filter(|(version, _)| version != own)
    {
        notes.push(format!(
            "the handoff is of mbtool {version}, this is {own}: names of its functions may be wrong"
        ));
    }
    if let Some(nested) = &found.log.nested {
        notes.push(format!("a fault inside the dump: {nested}"));
    }
    for name in &found.log.damaged {
        notes.push(format!("segment `{name}` was damaged before the jump"));
    }
    notes
}
