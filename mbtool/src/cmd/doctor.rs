//! `mbtool doctor`: is this machine ready, and what to do where it is not.

use crate::cli::console::ConsoleArg;
use crate::cli::files::Files;
use crate::cli::raw::{CommonArgs, DoctorArgs};
use crate::cli::request::ModuleArg;
use crate::cmd::{crash, load};
use crate::config::{Config, Load, PATH};
use crate::doctor::{self, Machine, Report, Wanted};
use crate::input;
use std::io::{self, Write};
use std::path::Path;

/// Looks at the machine below `root`, and at the image that is named, or that the
/// configuration names.
#[must_use]
pub fn examine(args: &DoctorArgs, modules: &[ModuleArg], root: &Path) -> Report {
    let mut machine = Machine::read(root);
    let configured = match (&machine.config, args.image()) {
        (_, Some(common)) => Some(wanted(&common, modules, &machine)),
        (
            Some(Ok(Config {
                load: Some(load), ..
            })),
            None,
        ) => Some(configured(load, &machine)),
        _ => None,
    };
    machine.wanted = configured;
    doctor::examine(&machine)
}

/// What `mbtool load -p` with these options would do.
fn wanted(common: &CommonArgs, modules: &[ModuleArg], machine: &Machine) -> Wanted {
    let outcome = machine.host().map(|host| {
        let files = Files::read(common, modules)?;
        load::decide(common, files, host)
    });
    Wanted {
        name: input::display_name(&common.image),
        outcome,
        consoles: common.console.clone(),
        cmdline: common.cmdline.clone().unwrap_or_default(),
    }
}

/// What `mbtool crash load` would do.
fn configured(load: &Load, machine: &Machine) -> Wanted {
    let release = machine.release().unwrap_or_default();
    // one that is not there yet is made by then
    let initrd = load.initrd.as_ref().map(|path| path.expand(&release));
    let initrd = initrd.filter(|path| path.is_file());
    let asked = crash::load::ask(load, &release, initrd, &mut io::sink());
    let parsed = asked.map_err(anyhow::Error::from);
    let parsed = parsed.and_then(|asked| crash::load::parse(asked, Path::new(PATH)));
    let (args, modules) = match parsed {
        Ok(parsed) => parsed,
        Err(err) => {
            return Wanted {
                name: PATH.to_owned(),
                outcome: Some(Err(err)),
                consoles: vec![ConsoleArg::Auto],
                cmdline: load.cmdline.clone(),
            };
        }
    };
    let wanted = wanted(&args.common, &modules, machine);
    Wanted {
        name: format!("{}, by {PATH}", wanted.name),
        ..wanted
    }
}

/// Prints the report.
///
/// # Errors
///
/// What writing to `out` says.
pub fn print(report: &Report, json: bool, out: &mut dyn Write) -> io::Result<()> {
    if json {
        serde_json::to_writer_pretty(&mut *out, report)?;
        return writeln!(out);
    }
    write!(out, "{report}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::raw::{Cli, Verb};
    use crate::doctor::State;
    use crate::doctor::testing::Recorded;
    use crate::image::synth;
    use clap::Parser;

    fn report(recorded: &Recorded, words: &[&str]) -> Report {
        let words = ["mbtool", "doctor"].iter().chain(words);
        let Verb::Doctor(args) = Cli::parse_from(words).verb else {
            panic!("not doctor")
        };
        examine(&args, &[], recorded.root())
    }

    fn state(report: &Report, id: &str) -> Option<State> {
        report.check(id).map(|check| check.state)
    }

    #[test]
    fn a_machine_that_is_ready() {
        let recorded = Recorded::new();
        let found = report(&recorded, &["--json"]);
        assert!(found.ready, "{found}");
        assert_eq!(state(&found, "image"), None);
        let mut out = vec![];
        print(&found, true, &mut out).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["format"], 1);
        assert_eq!(json["ready"], true);
        assert_eq!(json["summary"]["problem"], 0);
        assert_eq!(json["checks"][0]["id"], "system");
        assert_eq!(json["checks"][0]["state"], "ok");
        assert!(json["checks"][0]["fix"].is_null());
        let mut out = vec![];
        print(&found, false, &mut out).unwrap();
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
        let found = report(&recorded, &["--cmdline", "nr_cpus=1", path]);
        assert_eq!(state(&found, "image"), Some(State::Ok), "{found}");
        let found = report(&recorded, &["/no/such/image"]);
        assert_eq!(state(&found, "image"), Some(State::Problem), "{found}");
        let image = path.replace("6.1.0-50-amd64", "{release}");
        recorded.put(
            "etc/mbtool/crash.toml",
            format!("[load]\nimage = '{image}'\noptions = ['--console', 'com2']\n"),
        );
        let found = report(&recorded, &[]);
        let check = found.check("image").unwrap();
        assert_eq!(check.state, State::Ok, "{found}");
        assert!(check.found.contains(", by /etc/mbtool/crash.toml (linux)"));
        assert_eq!(found.check("console").unwrap().found, "1 as given");
        recorded.put(
            "etc/mbtool/crash.toml",
            format!("[load]\nimage = '{image}'\noptions = ['--colsole']\n"),
        );
        let found = report(&recorded, &[]);
        let check = found.check("image").unwrap();
        assert_eq!(check.state, State::Problem);
        assert!(check.found.contains("--colsole"), "{check:?}");
    }

    #[test]
    fn odd_files_are_no_reason_to_stop() {
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
        let found = report(&recorded, &[]);
        assert!(found.checks.len() > 15, "{found}");
        // nor is a machine without any
        let empty = tempfile::tempdir().unwrap();
        let Verb::Doctor(args) = Cli::parse_from(["mbtool", "doctor"]).verb else {
            panic!("not doctor")
        };
        let found = examine(&args, &[], empty.path());
        assert!(found.summary.unknown > 3, "{found}");
    }

    #[test]
    fn this_machine_is_looked_at_without_a_panic() {
        let Verb::Doctor(args) = Cli::parse_from(["mbtool", "doctor"]).verb else {
            panic!("not doctor")
        };
        let found = examine(&args, &[], Path::new("/"));
        assert_eq!(found.checks[0].id, "system");
    }
}
