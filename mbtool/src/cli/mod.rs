//! The command line: converts options to plain structs, and runs a verb.

pub mod boot;
pub mod crash;
pub mod raw;
pub mod values;

use crate::backend::{self, Choice};
use crate::request::files;
use crate::setup::install;
use crate::sys::output::{DataOutput, Messages};
use crate::sys::signals;
use crate::{cmd, config, input, save};
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use crash::CrashVerb;
use raw::{Cli, Verb};
use std::path::{self, Path};
use std::process::ExitCode;

/// Exit code of a usage error.
const USAGE: u8 = 2;
/// Exit code of a command that did its work and could not write its data.
const INCOMPLETE: u8 = 3;

/// Runs the command line of this process; docs/output.md has the exit codes.
#[must_use]
pub fn main() -> ExitCode {
    signals::ignore(&signals::FILE_SIZE);
    let mut out = DataOutput::stdout();
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return usage(&error, out),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, out),
    };
    let mut messages = match cli.verb {
        // the machine is being shut down: a terminal may not answer any more
        Verb::Exec { .. } => Messages::nonblocking_stderr(),
        _ => Messages::stderr(),
    };
    let sub = matches.subcommand().map(|(_, sub)| sub);
    let done = run(&cli.verb, sub, &mut out, &mut messages);
    let written = out.finish();
    if let Err(error) = &written {
        messages.say(error);
    }
    if let Err(error) = &done {
        messages.say(sentence(error));
    }
    match (done, written) {
        (Ok(()), Ok(())) => ExitCode::SUCCESS,
        (Ok(()), Err(_)) => ExitCode::from(INCOMPLETE),
        (Err(_), _) => ExitCode::FAILURE,
    }
}

/// Prints help or version, which are data, or a usage error.
fn usage(error: &clap::Error, mut out: DataOutput) -> ExitCode {
    let printed = error.print();
    if error.use_stderr() {
        return ExitCode::from(USAGE);
    }
    out.record(printed);
    match out.finish() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            Messages::stderr().say(error);
            ExitCode::from(INCOMPLETE)
        }
    }
}

/// Formats the error and its causes, without causes that it already quotes.
fn sentence(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match (said.is_empty(), said.contains(&cause)) {
            (true, _) => cause,
            (false, true) => said,
            (false, false) => format!("{said}: {cause}"),
        }
    })
}

fn run(
    verb: &Verb,
    matches: Option<&ArgMatches>,
    out: &mut DataOutput,
    messages: &mut Messages,
) -> anyhow::Result<()> {
    let root = Path::new("/");
    match verb {
        Verb::Load(args) => {
            let boot = args.boot.options(&args.image, matches);
            cmd::load::run(&boot, args.dry_run, messages)
        }
        Verb::Plan(args) => {
            let options = cmd::plan::PlanOptions {
                boot: args.boot.options(&args.image, matches),
                memory_map: args.memory_map.clone(),
                crash_region: args.crash_region,
                json: args.json,
                svg: args.svg.clone(),
            };
            cmd::plan::run(options, out, messages)
        }
        Verb::Exec { force, last } => {
            let options = cmd::exec::ExecOptions {
                force: *force,
                last: *last,
            };
            let system = cmd::exec::RunningSystem;
            Ok(cmd::exec::run(options, root, &system, messages)?)
        }
        Verb::Unload { panic, force } => {
            let which = backend::Unload {
                crash: *panic,
                force: *force,
            };
            let backend = backend::select(&Choice::Auto, root);
            Ok(cmd::unload::run(which, &*backend, messages)?)
        }
        Verb::Status { json } => {
            let options = cmd::status::StatusOptions { json: *json };
            cmd::status::run(options, root, out, messages);
            Ok(())
        }
        Verb::Probe {
            json,
            memory_map,
            payload,
        } => {
            let options = cmd::probe::ProbeOptions {
                json: *json,
                memory_map: memory_map.clone(),
                payload: payload.clone(),
            };
            cmd::probe::run(&options, root, out)
        }
        Verb::Doctor(args) => {
            let image = args.image.as_deref();
            let boot = image.map(|image| args.boot.options(image, matches));
            let report = cmd::doctor::examine(boot, root, boot::configured);
            cmd::doctor::print(&report, args.json, out);
            let problems = report.summary.problem;
            anyhow::ensure!(report.ready, "problems found: {problems}");
            Ok(())
        }
        Verb::Inspect { json, image } => inspect(image, *json, out),
        Verb::Dtb(args) => {
            let options = cmd::dtb::DtbOptions {
                boot: args.boot.options(&args.file, matches),
                diff: args.diff.clone(),
                memory_map: args.memory_map.clone(),
                crash_region: args.crash_region,
            };
            cmd::dtb::run(options, out, messages)
        }
        Verb::Decode(args) => {
            let options = cmd::decode::DecodeOptions {
                log: args.log.clone(),
                plan: args.plan.clone(),
                symbols: args.symbols.clone(),
                json: args.json,
                follow: args.follow,
                ram_log: args.ram_log,
                root: None,
            };
            cmd::decode::run(&options, out, messages)
        }
        Verb::Crash { verb } => run_crash(
            verb,
            matches.and_then(ArgMatches::subcommand).map(|(_, sub)| sub),
            out,
            messages,
        ),
    }
}

fn run_crash(
    verb: &CrashVerb,
    matches: Option<&ArgMatches>,
    out: &mut DataOutput,
    messages: &mut Messages,
) -> anyhow::Result<()> {
    match verb {
        CrashVerb::Size(args) => {
            let image = args.image.as_deref();
            anyhow::ensure!(
                image.is_some() || !args.boot.has_modules(),
                "modules of which image? Without one, the size is that of what {} names",
                config::PATH
            );
            let options = cmd::crash::size::CrashSizeOptions {
                boot: image.map(|image| args.boot.options(image, matches)),
                parse: boot::configured,
                memory_map: args.memory_map.clone(),
                json: args.json,
            };
            cmd::crash::size::run(&options, out, messages)
        }
        CrashVerb::Load(args) => {
            let options = cmd::crash::load::CrashLoadOptions {
                config: args.config.clone(),
                dry_run: args.dry_run,
                parse: boot::configured,
            };
            cmd::crash::load::run(&options, messages)
        }
        CrashVerb::Save(args) => save::run(&save::SaveOptions {
            config: args.config.clone(),
            vmcore: args.vmcore.clone(),
            no_reboot: args.no_reboot,
            no_verify: args.no_verify,
        }),
        CrashVerb::Install(args) => {
            let options = install::InstallOptions {
                root: args.root.clone(),
                image: args.image.as_deref().map(path::absolute).transpose()?,
                cmdline: args.cmdline.clone(),
                target: args.target.clone(),
                device: args.device.clone(),
                program: args.program.clone(),
            };
            cmd::crash::install::run(&options, messages)
        }
        CrashVerb::Uninstall { root } => cmd::crash::install::take_back(root, messages),
    }
}

fn inspect(path: &Path, json: bool, out: &mut DataOutput) -> anyhow::Result<()> {
    let (bytes, layers) = files::read_image(path)?;
    let report = cmd::inspect::inspect(&bytes, &layers, &input::display_name(path));
    match json {
        true => out.json(&report),
        false => out.text(&report),
    }
    // the report is the output; that the file cannot be loaded is an error too
    anyhow::ensure!(report.loadable, "{} cannot be loaded", report.name);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::ModuleKind;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_cause_that_is_quoted_is_not_repeated() {
        let error = anyhow::anyhow!("no such file")
            .context("a: no such file")
            .context("module");
        assert_eq!(sentence(&error), "module: a: no such file");
    }

    #[test]
    fn modules_keep_their_order_and_the_initrd_comes_last() {
        let words = "mbtool load --initrd i --module a --module-raw b --initrd j -m c xen";
        let matches = Cli::command()
            .try_get_matches_from(words.split(' '))
            .unwrap();
        let cli = Cli::from_arg_matches(&matches).unwrap();
        let Verb::Load(args) = &cli.verb else {
            panic!("not load")
        };
        let matches = matches.subcommand().map(|(_, sub)| sub);
        let options = args.boot.options(&args.image, matches);
        let order: Vec<_> = options
            .modules
            .iter()
            .map(|module| (module.path.to_str().unwrap(), module.kind))
            .collect();
        let expected = [
            ("a", ModuleKind::Module),
            ("b", ModuleKind::Raw),
            ("c", ModuleKind::Module),
            ("i", ModuleKind::Initrd),
            ("j", ModuleKind::Initrd),
        ];
        assert_eq!(order, expected);
    }
}
