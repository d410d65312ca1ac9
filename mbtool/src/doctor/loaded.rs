//! Checks of loaded images.

use super::{Check, CheckedMachine};
use crate::backend::xen::record;

pub(super) fn checks(machine: &CheckedMachine) -> Vec<Check> {
    if machine.status.backend.is_none() {
        return Vec::new();
    }
    vec![crash_image(machine), image(machine)]
}

fn crash_image(machine: &CheckedMachine) -> Check {
    const ID: &str = "crash-image";
    let load = match &machine.config {
        Some(Ok(_)) => "mbtool crash load",
        _ => "mbtool load -p IMAGE ...",
    };
    if let Some(xen) = &machine.status.xen_kexec {
        let found = xen.crash.describe(record::now());
        let damaged = xen.crash.loaded.as_ref();
        let damaged = damaged.is_some_and(|loaded| loaded.damaged.is_some());
        return match xen.crash.is_loaded() {
            _ if damaged => Check::problem(ID, found).fix("reboot"),
            Some(true) => Check::ok(ID, found),
            Some(false) => Check::warning(ID, format!("{found}: no dump would be made")).fix(load),
            None => Check::unknown(ID, found),
        };
    }
    match machine.status.kernel.crash_loaded {
        Some(true) => Check::ok(ID, "loaded"),
        Some(false) => Check::warning(ID, "not loaded: no dump would be made").fix(load),
        None => Check::unknown(ID, "the kernel does not say whether one is loaded"),
    }
}

fn image(machine: &CheckedMachine) -> Check {
    const ID: &str = "loaded";
    let found = match &machine.status.xen_kexec {
        Some(xen) => xen.default.describe(record::now()),
        None => match machine.status.kernel.loaded {
            Some(true) => "an image is loaded; `mbtool exec` starts it".to_owned(),
            Some(false) => "no image for `mbtool exec`".to_owned(),
            None => return Check::unknown(ID, "the kernel does not say whether one is loaded"),
        },
    };
    let place = machine.status.xen_kexec.as_ref().map(|xen| &xen.default);
    let damaged = place.and_then(|place| place.loaded.as_ref());
    match damaged.is_some_and(|loaded| loaded.damaged.is_some() || loaded.exposed.is_some()) {
        true => Check::warning(ID, found).fix("reboot the host before another image is loaded"),
        false => Check::ok(ID, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::xen::record::RecordedImage;
    use crate::backend::xen::status::{XenKexec, XenSlotStatus};
    use crate::doctor::CheckState;
    use crate::doctor::testing::Recorded;

    #[test]
    fn linux_reports_loaded_images() {
        let recorded = Recorded::new();
        let check = crash_image(&recorded.machine());
        assert_eq!(check.state, CheckState::Warning);
        assert!(check.fix.unwrap().starts_with("mbtool load -p"));
        recorded.put("etc/mbtool/crash.toml", "[save]\nwatchdog = 0\n");
        let check = crash_image(&recorded.machine());
        assert_eq!(check.fix.as_deref(), Some("mbtool crash load"));
        recorded.put("sys/kernel/kexec_crash_loaded", "1\n");
        assert_eq!(crash_image(&recorded.machine()).state, CheckState::Ok);
        recorded.remove("sys/kernel/kexec_crash_loaded");
        assert_eq!(crash_image(&recorded.machine()).state, CheckState::Unknown);
        assert_eq!(image(&recorded.machine()).state, CheckState::Ok);
        recorded.remove("sys/kernel/kexec_loaded");
        assert_eq!(image(&recorded.machine()).state, CheckState::Unknown);
    }

    #[test]
    fn under_xen_the_record_reports_loaded_images() {
        let recorded = Recorded::new();
        let mut machine = recorded.machine();
        let place = |changed, damaged: Option<&str>| XenSlotStatus {
            loaded: damaged.map(|why| RecordedImage {
                image: "xen.gz".into(),
                time: 0,
                entry: 0,
                segments: vec![],
                damaged: Some(why.to_owned()).filter(|why| !why.is_empty()),
                exposed: None,
            }),
            xen_status: changed,
            changed_by_others: changed,
        };
        for (place, state) in [
            (place(Some(false), Some("")), CheckState::Ok),
            (
                place(Some(false), Some("a page is lost")),
                CheckState::Problem,
            ),
            (place(Some(false), None), CheckState::Warning),
            (place(Some(true), None), CheckState::Unknown),
            (place(None, None), CheckState::Unknown),
        ] {
            machine.status.xen_kexec = Some(XenKexec {
                crash: place.clone(),
                ..XenKexec::default()
            });
            assert_eq!(crash_image(&machine).state, state, "{place:?}");
        }
    }
}
