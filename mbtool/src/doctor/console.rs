//! Checks of the handoff's console.

use super::{Check, Machine, State};
use crate::request::console::{self, ConsoleSpec};

pub(super) fn checks(machine: &Machine) -> Vec<Check> {
    if machine.status.backend.is_none() {
        return Vec::new();
    }
    vec![console(machine)]
}

fn console(machine: &Machine) -> Check {
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
        Err(err) => Check::problem(ID, format!("{err:#}")),
        Ok(found) if found.consoles.is_empty() => {
            let text = found.notes.join("; ");
            let text = match text.is_empty() {
                true => "--console none: a failure between the two kernels will be silent; give \
                         --console com1 to see it"
                    .to_owned(),
                false => text,
            };
            Check::of(ID, State::Warning, &text)
        }
        Ok(found) => {
            let notes = match found.notes.is_empty() {
                true => format!("{} as given", found.consoles.len()),
                false => found.notes.join("; "),
            };
            Check::ok(ID, notes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Wanted;
    use crate::doctor::testing::Recorded;

    #[test]
    fn where_the_console_is_known_from() {
        let recorded = Recorded::new();
        let check = console(&recorded.machine());
        assert_eq!(check.state, State::Ok);
        let expected = "handoff console: pio:0x3f8 (from the running kernel's `console=ttyS0`)";
        assert_eq!(check.found, expected);
        recorded.put("proc/cmdline", "quiet\n");
        let check = console(&recorded.machine());
        assert_eq!(check.state, State::Warning);
        assert_eq!(check.fix.as_deref(), Some("give --console com1 to see it"));
    }

    #[test]
    fn the_image_and_its_options_count() {
        let recorded = Recorded::new();
        recorded.put("proc/cmdline", "quiet\n");
        let mut machine = recorded.machine();
        let wanted = |consoles, cmdline: &str| Wanted {
            name: "xen".into(),
            outcome: None,
            consoles,
            cmdline: cmdline.to_owned(),
        };
        machine.wanted = Some(wanted(vec![ConsoleSpec::Auto], "com2=115200,8n1"));
        let check = console(&machine);
        assert!(check.found.contains("pio:0x2f8"), "{check:?}");
        machine.wanted = Some(wanted(vec![ConsoleSpec::None], "com2=115200,8n1"));
        assert_eq!(console(&machine).state, State::Warning);
        machine.wanted = Some(wanted(vec![ConsoleSpec::RamLog], ""));
        let check = console(&machine);
        assert_eq!(check.state, State::Problem);
        assert!(check.found.contains("memmap="), "{check:?}");
    }
}
