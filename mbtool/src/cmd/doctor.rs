//! `mbtool doctor`: checks whether this machine is ready, and suggests fixes.

use crate::config::{Config, LoadSection, PATH};
use crate::doctor::{self, CheckedMachine, DoctorReport, WantedImage};
use crate::input;
use crate::request::configured::{self, ParseOptions};
use crate::request::console::ConsoleSpec;
use crate::request::decide::decide;
use crate::request::{BootOptions, Files};
use crate::sys::output::DataOutput;
use std::path::Path;

/// Checks the machine below `root`, and an image as crash image: `boot`, or that
/// of the configuration.
#[must_use]
pub fn examine(boot: Option<BootOptions>, root: &Path, parse: ParseOptions) -> DoctorReport {
    let mut machine = CheckedMachine::read(root);
    machine.wanted = match (&machine.config, boot) {
        (_, Some(boot)) => {
            let boot = BootOptions {
                crash: true,
                ..boot
            };
            Some(wanted(&boot, &machine))
        }
        (
            Some(Ok(Config {
                load: Some(load), ..
            })),
            None,
        ) => Some(by_configuration(load, &machine, parse)),
        _ => None,
    };
    doctor::examine(&machine)
}

/// Plans like `mbtool load -p` with these options.
fn wanted(boot: &BootOptions, machine: &CheckedMachine) -> WantedImage {
    let outcome = machine
        .host()
        .map(|host| decide(boot, Files::read(boot)?, host));
    WantedImage {
        name: input::display_name(&boot.image),
        outcome,
        consoles: boot.consoles.clone(),
        cmdline: boot.cmdline.clone().unwrap_or_default(),
    }
}

/// Plans like `mbtool crash load`.
fn by_configuration(
    load: &LoadSection,
    machine: &CheckedMachine,
    parse: ParseOptions,
) -> WantedImage {
    let release = machine.release().unwrap_or_default();
    let mut initrds = load.initrds(&release);
    // that command makes the last one
    initrds.pop_if(|path| !path.is_file());
    match configured::options(load, Path::new(PATH), &release, initrds, parse) {
        Ok(boot) => {
            let wanted = wanted(&boot, machine);
            WantedImage {
                name: format!("{}, by {PATH}", wanted.name),
                ..wanted
            }
        }
        Err(err) => WantedImage {
            name: PATH.to_owned(),
            outcome: Some(Err(err.into())),
            consoles: vec![ConsoleSpec::Auto],
            cmdline: load.cmdline.clone(),
        },
    }
}

/// Prints the report.
pub fn print(report: &DoctorReport, json: bool, out: &mut DataOutput) {
    match json {
        true => out.json(report),
        false => out.text(report),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::CheckState;
    use crate::doctor::testing::Recorded;
    use crate::image::synth;
    use crate::request::console;
    use std::path::PathBuf;

    /// Stub of the command-line parser: accepts only `--console com2`.
    fn parse(options: &[String]) -> Result<BootOptions, String> {
        let mut boot = BootOptions::new(PathBuf::new());
        match options {
            [] => {}
            [console, com2] if console == "--console" => {
                boot.consoles = vec![console::parse(com2)?];
            }
            [other, ..] => return Err(format!("unexpected argument '{other}'")),
        }
        Ok(boot)
    }

    fn report(recorded: &Recorded, image: Option<&str>) -> DoctorReport {
        let boot = image.map(|image| BootOptions {
            cmdline: Some("nr_cpus=1".to_owned()),
            ..BootOptions::new(image.into())
        });
        examine(boot, recorded.root(), parse)
    }

    fn state(report: &DoctorReport, id: &str) -> Option<CheckState> {
        report.check(id).map(|check| check.state)
    }

    #[test]
    fn a_machine_that_is_ready() {
        let recorded = Recorded::new();
        let found = report(&recorded, None);
        assert!(found.ready, "{found}");
        assert_eq!(state(&found, "image"), None);
        let mut out = vec![];
        print(&found, true, &mut DataOutput::new(&mut out));
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["format"], 1);
        assert_eq!(json["ready"], true);
        assert_eq!(json["summary"]["problem"], 0);
        assert_eq!(json["checks"][0]["id"], "system");
        assert_eq!(json["checks"][0]["state"], "ok");
        assert!(json["checks"][0]["fix"].is_null());
        let mut out = vec![];
        print(&found, false, &mut DataOutput::new(&mut out));
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("ok       system: bare Linux"), "{text}");
        let ids: Vec<&str> = found.checks.iter().map(|check| check.id).collect();
        let mut unique = ids.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn an_image_is_named_or_configured() {
        let recorded = Recorded::new();
        recorded.put("boot/vmlinuz-6.1.0-50-amd64", synth::bzimage());
        let path = recorded.root().join("boot/vmlinuz-6.1.0-50-amd64");
        let path = path.to_str().unwrap();
        let found = report(&recorded, Some(path));
        assert_eq!(state(&found, "image"), Some(CheckState::Ok), "{found}");
        let found = report(&recorded, Some("/no/such/image"));
        assert_eq!(state(&found, "image"), Some(CheckState::Problem), "{found}");
        let image = path.replace("6.1.0-50-amd64", "{release}");
        recorded.put(
            "etc/mbtool/crash.toml",
            format!("[load]\nimage = '{image}'\noptions = ['--console', 'com2']\n"),
        );
        let found = report(&recorded, None);
        let check = found.check("image").unwrap();
        assert_eq!(check.state, CheckState::Ok, "{found}");
        assert!(check.found.contains(", by /etc/mbtool/crash.toml (linux)"));
        assert_eq!(found.check("console").unwrap().found, "1 as given");
        recorded.put(
            "etc/mbtool/crash.toml",
            format!("[load]\nimage = '{image}'\noptions = ['--colsole']\n"),
        );
        let found = report(&recorded, None);
        let check = found.check("image").unwrap();
        assert_eq!(check.state, CheckState::Problem);
        assert!(check.found.contains("--colsole"), "{check:?}");
    }

    #[test]
    fn invalid_files_do_not_stop_the_checks() {
        let recorded = Recorded::new();
        for (path, content) in [
            ("proc/cpuinfo", vec![0xff; 3000]),
            ("proc/interrupts", vec![0; 100]),
            ("proc/sys/kernel/panic", b"99999999999999999999".to_vec()),
            ("proc/sys/kernel/sysrq", b"-9223372036854775808".to_vec()),
            ("sys/devices/system/cpu/online", b"4294967295-0,".to_vec()),
            ("sys/kernel/iommu_groups/0/type", vec![b'x'; 9000]),
            ("sys/firmware/acpi/tables/DMAR", b"DMAR".to_vec()),
            ("sys/kernel/vmcoreinfo", b"0xffffffffffffffff 0".to_vec()),
            ("etc/mbtool/crash.toml", vec![0x80, 0x81]),
            ("boot/config-6.1.0-50-amd64", vec![0x1f, 0x8b, 8, 0, 0]),
            ("dev/cpu/0/msr", vec![1]),
        ] {
            recorded.put(path, content);
        }
        let found = report(&recorded, None);
        assert!(found.checks.len() > 15, "{found}");
        // nor does a machine without any files
        let empty = tempfile::tempdir().unwrap();
        let found = examine(None, empty.path(), parse);
        assert!(found.summary.unknown > 3, "{found}");
    }
}
