//! The command line: converts options to plain structs, and runs a verb.

pub mod boot;
pub mod crash;
pub mod raw;
pub mod values;

use crate::backend::{self, Choice};
use crate::quiesce::NonBlocking;
use crate::request::files;
use crate::setup::install;
use crate::{cmd, config, input, save};
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use crash::CrashVerb;
use raw::{Cli, Verb};
use std::io;
use std::path::{self, Path};
use std::process::ExitCode;

/// Runs the command line of this process. Exit code 0: success; 1: refused or
/// failed; 2: usage error.
#[must_use]
pub fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let sub = matches.subcommand().map(|(_, sub)| sub);
    match run(&cli.verb, sub) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mbtool: {}", sentence(&error));
            ExitCode::FAILURE
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

fn run(verb: &Verb, matches: Option<&ArgMatches>) -> anyhow::Result<()> {
    let root = Path::new("/");
    match verb {
        Verb::Load(args) => {
            let boot = args.boot.options(&args.image, matches);
            cmd::load::run(&boot, args.dry_run)
        }
        Verb::Plan(args) => cmd::plan::run(cmd::plan::PlanOptions {
            boot: args.boot.options(&args.image, matches),
            memory_map: args.memory_map.clone(),
            crash_region: args.crash_region,
            json: args.json,
            svg: args.svg.clone(),
        }),
        Verb::Exec { force, last } => {
            let options = cmd::exec::ExecOptions {
                force: *force,
                last: *last,
            };
            Ok(cmd::exec::run(
                options,
                root,
                &cmd::exec::RunningSystem,
                &mut NonBlocking::new(io::stderr()),
            )?)
        }
        Verb::Unload { panic, force } => {
            let which = backend::Unload {
                crash: *panic,
                force: *force,
            };
            let backend = backend::select(&Choice::Auto, root);
            Ok(cmd::unload::run(which, &*backend, &mut io::stderr())?)
        }
        Verb::Status { json } => {
            let options = cmd::status::StatusOptions { json: *json };
            Ok(cmd::status::run(
                options,
                root,
                &mut io::stdout(),
                &mut io::stderr(),
            )?)
        }
        Verb::Doctor(args) => {
            let image = args.image.as_deref();
            let boot = image.map(|image| args.boot.options(image, matches));
            let report = cmd::doctor::examine(boot, root, boot::configured);
            cmd::doctor::print(&report, args.json, &mut io::stdout())?;
            let problems = report.summary.problem;
            anyhow::ensure!(report.ready, "problems found: {problems}");
            Ok(())
        }
        Verb::Inspect { json, image } => inspect(image, *json),
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
            cmd::decode::run(&options, &mut io::stdout(), &mut io::stderr())
        }
        Verb::Crash { verb } => run_crash(
            verb,
            matches.and_then(ArgMatches::subcommand).map(|(_, sub)| sub),
        ),
    }
}

fn run_crash(verb: &CrashVerb, matches: Option<&ArgMatches>) -> anyhow::Result<()> {
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
            cmd::crash::size::run(&options, &mut io::stdout())
        }
        CrashVerb::Load(args) => {
            let options = cmd::crash::load::CrashLoadOptions {
                config: args.config.clone(),
                dry_run: args.dry_run,
                parse: boot::configured,
            };
            cmd::crash::load::run(&options, &mut io::stderr())
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
            cmd::crash::install::run(&options, &mut io::stderr())
        }
        CrashVerb::Uninstall { root } => cmd::crash::install::take_back(root, &mut io::stderr()),
    }
}

fn inspect(path: &Path, json: bool) -> anyhow::Result<()> {
    let (bytes, layers) = files::read_image(path)?;
    let report = cmd::inspect::inspect(&bytes, &layers, &input::display_name(path));
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
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
        let words = "mbtool load --initrd i --module a --module-raw b -m c xen";
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
        ];
        assert_eq!(order, expected);
    }
}
