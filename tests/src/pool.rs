//! Runs the end-to-end cases, as many machines at a time as the host has cores, those that take longest first. The command
//! line is libtest's, as far as `libtest-mimic` has it.

use std::any::Any;
use std::env;
use std::fs;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use images::assets::{self, Asset};
use images::progress::say;
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use crate::case::{Case, Start, begin};
use crate::dirs::target_dir;
use crate::times;

/// Memory of the host for each machine: more than most of them touch.
const MACHINE_MIB: u64 = 4096;

/// Runs those of `cases` that the command line selects.
pub fn run(cases: &[&[Case]]) -> ExitCode {
    let mut arguments = arguments(env::args());
    let asked = env::var("RUST_TEST_THREADS").ok();
    let asked = asked.and_then(|text| text.parse().ok());
    let threads = arguments
        .test_threads
        .or(asked)
        .unwrap_or_else(machines)
        .max(1);
    arguments.test_threads = Some(threads);
    let mut cases: Vec<Case> = cases.iter().copied().flatten().copied().collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.seconds));
    let trials = cases.into_iter().map(trial).collect();
    if arguments.filter.is_none() && !arguments.list {
        assets::announce();
    }
    let started = Instant::now();
    let conclusion = libtest_mimic::run(&arguments, trials);
    let [slowest, all] = times::tables(started.elapsed(), threads);
    print!("{slowest}");
    let path = target_dir().join("e2e").join("times");
    if !all.is_empty()
        && let Err(error) = fs::write(&path, all)
    {
        say("times", format_args!("{}: {error}", path.display()));
    }
    conclusion.exit_code()
}

/// Accepts `cargo e2e -- --ignored` and `cargo e2e NAME`: a superfluous `--` is
/// ignored.
fn arguments(arguments: impl Iterator<Item = String>) -> Arguments {
    Arguments::from_iter(arguments.filter(|argument| argument != "--"))
}

/// Number of machines that run in parallel.
fn machines() -> usize {
    let cores = thread::available_parallelism().map_or(1, Into::into);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:")?.split(' ').rev().nth(1))
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(u64::MAX, |kib| kib >> 10);
    cores.min(usize::try_from(mib / MACHINE_MIB).unwrap_or(usize::MAX))
}

/// Converts a case for `libtest-mimic`.
fn trial(case: Case) -> Trial {
    // without the crate name, which is the same for all
    let name = case
        .name
        .split_once("::")
        .map_or(case.name, |(_, name)| name);
    let trial = Trial::ignorable_test(name, move || {
        let off = env::var("MBTOOL_TEMPLATES").is_ok_and(|value| value == "off");
        begin(if off { Start::Booted } else { case.start });
        times::begin();
        let started = Instant::now();
        let result = catch_unwind(case.run);
        times::end(name, started.elapsed());
        let error = match result {
            Ok(Ok(())) => return Ok(Completion::Completed),
            Ok(Err(error)) => format!("{error:?}"),
            Err(panic) => message(&*panic).to_owned(),
        };
        let Some((version, passed)) = case.newest.and_then(Asset::is_new) else {
            return Err(Failed::from(error));
        };
        let reason = format!(
            "FAILED with version {version} of a kernel that Debian has replaced; it passed with {passed}. Find out whether \
             mbtool, the test or a tool has to learn about it: {error}"
        );
        say(name, &reason);
        times::unknown(name, version);
        Ok(Completion::ignored_with(reason))
    });
    trial
        .with_ignored_flag(case.ignored.is_some())
        .with_kind(case.ignored.unwrap_or_default())
}

/// The message of a panic (`std::panic::PanicHookInfo::payload`); its location is on stderr.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_never_taken_for_an_option_nor_an_option_for_a_filter() {
        let parse = |words: &[&str]| {
            let words = ["e2e"].iter().chain(words).map(|word| (*word).to_owned());
            arguments(words)
        };
        let all = parse(&["--", "--ignored"]);
        assert!(all.ignored && all.filter.is_none());
        let one = parse(&["xen", "--ignored"]);
        assert!(one.ignored && one.filter.as_deref() == Some("xen"));
        assert!(machines() >= 1);
    }
}
