//! Checks of the handoff's console.

use super::{Check, CheckState, CheckedMachine};
use crate::request::console::{self, COM1, ConsoleSpec};
use xen_shim::fix::Fix;

pub(super) fn checks(machine: &CheckedMachine) -> Vec<Check> {
    if machine.status.backend.is_none() {
        return Vec::new();
    }
    vec![console(machine)]
}

fn console(machine: &CheckedMachine) -> Check {
    const ID: &str = "console";
    let Some(host) = machine.host() else {
        return Check::unknown(ID, machine.why_no_host()).fix("run mbtool doctor as root");
    };
    let auto = [ConsoleSpec::Auto];
    let (consoles, cmdline) = match &machine.wanted {
        Some(wanted) => (wanted.consoles.as_slice(), wanted.cmdline.as_str()),
        None => (&auto[..], ""),
    };
    match console::resolve(consoles, host, cmdline) {
        Err(err) => Check::error(ID, CheckState::Problem, &err),
        Ok(found) if found.consoles.is_empty() => {
            let notes = match found.notes.as_slice() {
                [] => "--console none: a failure between the two kernels will be silent".to_owned(),
                notes => join(notes.iter().map(Fix::statement)),
            };
            let fix = found.notes.iter().rev().find_map(Fix::fix);
            Check::warning(ID, notes).fix(fix.unwrap_or(COM1.into()))
        }
        Ok(found) => {
            let notes = match found.notes.is_empty() {
                true => format!("{} as given", found.consoles.len()),
                false => join(found.notes.iter().map(ToString::to_string)),
            };
            Check::ok(ID, notes)
        }
    }
}

fn join(notes: impl Iterator<Item = String>) -> String {
    notes.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::WantedImage;
    use crate::doctor::testing::Recorded;
    use crate::request::console::ConsoleError;
    use std::borrow::Cow;

    #[test]
    fn where_the_console_is_known_from() {
        let recorded = Recorded::new();
        let check = console(&recorded.machine());
        assert_eq!(check.state, CheckState::Ok);
        let expected = "handoff console: pio:0x3f8 (from the running kernel's `console=ttyS0`)";
        assert_eq!(check.found, expected);
        recorded.put("proc/cmdline", "quiet\n");
        let check = console(&recorded.machine());
        assert_eq!(check.state, CheckState::Warning);
        assert_eq!(check.fix.as_deref(), Some("give --console com1 to see it"));
    }

    #[test]
    fn the_image_and_its_options_count() {
        let recorded = Recorded::new();
        recorded.put("proc/cmdline", "quiet\n");
        let mut machine = recorded.machine();
        let wanted = |consoles, cmdline: &str| WantedImage {
            name: "xen".into(),
            outcome: None,
            consoles,
            cmdline: cmdline.to_owned(),
        };
        machine.wanted = Some(wanted(vec![ConsoleSpec::Auto], "com2=115200,8n1"));
        let check = console(&machine);
        assert!(check.found.contains("pio:0x2f8"), "{check:?}");
        machine.wanted = Some(wanted(vec![ConsoleSpec::None], "com2=115200,8n1"));
        assert_eq!(console(&machine).state, CheckState::Warning);
        machine.wanted = Some(wanted(vec![ConsoleSpec::RamLog], ""));
        let check = console(&machine);
        assert_eq!(check.state, CheckState::Problem);
        let expected = ConsoleError::NoRamLog.fix().map(Cow::into_owned);
        assert_eq!(check.fix, expected);
    }
}
