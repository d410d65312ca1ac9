//! The command line: raw flags, then a checked request, then a verb.

mod cmdline;
pub mod console;
pub mod crash;
pub mod files;
pub mod raw;
pub mod request;
pub mod values;

use crate::quiesce::Patient;
use crate::setup::install::Options;
use crate::{backend, cmd, input};
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use crash::CrashVerb;
use raw::{Cli, CommonArgs, Verb};
use request::ModuleArg;
use std::io;
use std::path::{self, Path};
use std::process::ExitCode;
use values::FileWithArgs;

/// Runs the command line of this process. Exit code 0: done; 1: refused or
/// failed; 2: wrong usage.
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

/// The error and its causes, without those that it already quotes.
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
        Verb::Load(args) => cmd::load::run(args, &modules(&args.common, matches)),
        Verb::Plan(args) => cmd::plan::run(args, &modules(&args.common, matches)),
        Verb::Exec { force, last } => {
            let options = cmd::exec::Options {
                force: *force,
                last: *last,
            };
            Ok(cmd::exec::run(
                options,
                root,
                &cmd::exec::Machine,
                &mut Patient::new(io::stderr()),
            )?)
        }
        Verb::Unload { panic, force } => {
            let which = backend::Unload {
                crash: *panic,
                force: *force,
            };
            let backend = backend::select("auto", root)?;
            Ok(cmd::unload::run(which, &*backend, &mut io::stderr())?)
        }
        Verb::Status { json } => {
            let options = cmd::status::Options { json: *json };
            Ok(cmd::status::run(
                options,
                root,
                &mut io::stdout(),
                &mut io::stderr(),
            )?)
        }
        Verb::Doctor(args) => {
            let report = cmd::doctor::examine(args, &modules(&args.common, matches), root);
            cmd::doctor::print(&report, args.json, &mut io::stdout())?;
            let problems = report.summary.problem;
            anyhow::ensure!(report.ready, "problems found: {problems}");
            Ok(())
        }
        Verb::Inspect { json, image } => inspect(image, *json),
        Verb::Decode(args) => {
            let options = cmd::decode::Options {
                log: args.log.clone(),
                plan: args.plan.clone(),
                symbols: args.symbols.clone(),
                json: args.json,
                follow: args.follow,
                ram_log: args.ram_log,
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
            let options = cmd::crash::size::Options {
                common: args.common.clone(),
                memory_map: args.memory_map.clone(),
                json: args.json,
            };
            let modules = modules(&args.common, matches);
            cmd::crash::size::run(&options, &modules, &mut io::stdout())
        }
        CrashVerb::Load(args) => {
            let options = cmd::crash::load::Options {
                config: args.config.clone(),
                dry_run: args.dry_run,
            };
            cmd::crash::load::run(&options, &mut io::stderr())
        }
        CrashVerb::Save(args) => crate::save::run(&crate::save::Options {
            config: args.config.clone(),
            vmcore: args.vmcore.clone(),
            no_reboot: args.no_reboot,
            no_verify: args.no_verify,
        }),
        CrashVerb::Install(args) => {
            let options = Options {
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
    let (bytes, layers) = request::read_image(path)?;
    let report = cmd::inspect::inspect(&bytes, &layers, &input::display_name(path));
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    // the description is the answer; that the file cannot be loaded is another
    anyhow::ensure!(report.loadable, "{} cannot be loaded", report.name);
    Ok(())
}

/// `--module` and `--module-raw` in the order typed, then `--initrd`.
fn modules(args: &CommonArgs, matches: Option<&ArgMatches>) -> Vec<ModuleArg> {
    let indices = |id: &str| -> Vec<usize> {
        matches
            .and_then(|matches| matches.indices_of(id))
            .into_iter()
            .flatten()
            .collect()
    };
    let with_index = |id, files: &[FileWithArgs], unpack| {
        let files = files
            .iter()
            .cloned()
            .map(move |file| ModuleArg { file, unpack });
        indices(id).into_iter().zip(files).collect::<Vec<_>>()
    };
    let mut all = with_index("module", &args.module, true);
    all.extend(with_index("module_raw", &args.module_raw, false));
    all.sort_by_key(|(index, _)| *index);
    let initrd = args.initrd.iter().map(|path| ModuleArg {
        file: FileWithArgs {
            path: path.clone(),
            args: String::new(),
        },
        unpack: false,
    });
    all.into_iter()
        .map(|(_, module)| module)
        .chain(initrd)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let order: Vec<_> = modules(&args.common, matches.subcommand().map(|(_, sub)| sub))
            .into_iter()
            .map(|module| (module.file.path.display().to_string(), module.unpack))
            .collect();
        let expected = [("a", true), ("b", false), ("c", true), ("i", false)];
        assert_eq!(
            order,
            expected.map(|(path, unpack)| (path.to_owned(), unpack))
        );
    }
}
