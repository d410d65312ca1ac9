//! The crash kernel's command line.

use crate::plan::cmdline_change::{CmdlineChange, LineOwner};
use crate::sys::number;
use xen_shim::cmdline::{Cmdline, Syntax, name, value};

/// Parameters that apply to the crashed system, not to the crash kernel.
const NOT_HERE: [&str; 2] = ["crashkernel", "elfcorehdr"];
/// Why they are removed.
const OF_THE_CRASHED: &str = "it applies to the crashed system";

/// Parameters with the number of CPUs.
const CPU_NUMBERS: [&str; 3] = ["nr_cpus", "maxcpus", "possible_cpus"];

/// True for a parameter with a number of CPUs that is not one.
#[must_use]
pub fn starts_more_cpus(parameter: &str) -> bool {
    let listed = |listed: &&str| Syntax::Linux.is(parameter, listed);
    let named = CPU_NUMBERS.iter().find(|name| listed(name));
    named.is_some_and(|name| !is_one(name, parameter))
}

/// True if `parameter`, one of `CPU_NUMBERS` named `name`, leaves one CPU. `maxcpus=0` is `nosmp`.
fn is_one(name: &str, parameter: &str) -> bool {
    let number = value(parameter).and_then(number::parse);
    number == Some(1) || name == "maxcpus" && number == Some(0)
}

/// True if Linux with this command line does not start the boot CPU, which would reset the
/// machine if the crash was on another CPU.
#[must_use]
pub fn keeps_to_one_cpu(line: &Cmdline) -> bool {
    let last = |name: &str| line.named(name).next_back();
    // each lowers the limit; of the others the last one counts
    let limit = line.named("nr_cpus").any(|one| is_one("nr_cpus", one));
    let possible = last("possible_cpus").is_some_and(|one| is_one("possible_cpus", one));
    let smp = |one: &&str| {
        ["maxcpus", "nosmp"]
            .iter()
            .any(|name| Syntax::Linux.is(one, name))
    };
    let smp = line.own().rfind(smp);
    let started = smp.is_some_and(|one| name(one) == "nosmp" || is_one("maxcpus", one));
    limit || possible || started || line.value("disable_cpu_apicid").is_some()
}

/// A command line, and what was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashCmdline {
    /// Command line of the crash kernel.
    pub text: String,
    /// Changes.
    pub changes: Vec<CmdlineChange>,
    /// Advice for the user.
    pub advice: Vec<String>,
}

/// Returns `given` with `elfcorehdr=` for a core header below 4 GiB. The
/// parameter comes first, where neither a length limit nor `--` cuts it off.
/// The length does not depend on the address.
#[must_use]
pub fn command_line(given: &str, elfcorehdr: u64) -> CrashCmdline {
    let mut line = with_header(given, elfcorehdr, LineOwner::CrashKernel);
    if !keeps_to_one_cpu(&Cmdline::linux(&line.text)) {
        line.advice.push(
            "the crash kernel's command line has no nr_cpus=1: before Linux 6.9 a kernel that \
             starts more CPUs resets the machine when the crash was not on the CPU that it booted \
             on"
            .to_owned(),
        );
    }
    line
}

/// Like [`command_line`], without advice: for a kernel that starts no CPUs itself.
#[must_use]
pub fn with_header(given: &str, elfcorehdr: u64, owner: LineOwner) -> CrashCmdline {
    let mut line = Cmdline::linux(given);
    let changes = without(&mut line, &NOT_HERE, owner);
    line.prepend([format!("elfcorehdr={elfcorehdr:#010x}")]);
    CrashCmdline {
        text: line.to_string(),
        changes,
        advice: Vec::new(),
    }
}

/// Returns `given` for a crash kernel that finds its core header in its device tree.
#[must_use]
pub fn without_header(given: &str) -> CrashCmdline {
    let mut line = Cmdline::linux(given);
    let changes = without(&mut line, &NOT_HERE, LineOwner::CrashKernel);
    CrashCmdline {
        text: match changes.is_empty() {
            true => given.to_owned(),
            false => line.to_string(),
        },
        changes,
        advice: Vec::new(),
    }
}

/// Removes the parameters with one of `names`.
pub(super) fn without(line: &mut Cmdline, names: &[&str], owner: LineOwner) -> Vec<CmdlineChange> {
    let removed = line.remove_named(names);
    removed
        .into_iter()
        .map(|parameter| CmdlineChange::removed(owner, parameter, OF_THE_CRASHED))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elfcorehdr_comes_first_and_parameters_of_the_crashed_system_are_removed() {
        let line = command_line(
            "root=/dev/sda1  crashkernel=256M quiet nr_cpus=1 elfcorehdr=0x1 -- single",
            0x7f00_0000,
        );
        assert_eq!(
            line.text,
            "elfcorehdr=0x7f000000 root=/dev/sda1 quiet nr_cpus=1 -- single"
        );
        let removed = |parameter: &str| {
            CmdlineChange::removed(LineOwner::CrashKernel, parameter.to_owned(), OF_THE_CRASHED)
        };
        let expected = [removed("crashkernel=256M"), removed("elfcorehdr=0x1")];
        assert_eq!(line.changes, expected);
        assert!(line.advice.is_empty());
    }

    #[test]
    fn missing_nr_cpus_is_a_warning_and_the_length_is_fixed() {
        let line = command_line("quiet", 0x1000);
        assert_eq!(line.advice.len(), 1);
        assert!(line.advice[0].contains("nr_cpus=1"));
        assert_eq!(
            line.text.len(),
            command_line("quiet", 0xffff_f000).text.len()
        );
        for parameter in [
            "nr_cpus=1",
            "nr-cpus=1",
            "nr_cpus=8 nr_cpus=1",
            "nr_cpus=1 nr_cpus=8",
            "maxcpus=1",
            "maxcpus=0",
            "maxcpus=4 nosmp",
            "possible_cpus=1",
            "nosmp",
            "nr_cpus=8 disable_cpu_apicid=0",
        ] {
            assert_eq!(command_line(parameter, 0).advice, [""; 0], "{parameter}");
        }
        for parameter in [
            "nr_cpus=8",
            "nr_cpus=0",
            "nr_cpus=",
            "maxcpus=4",
            "nosmp maxcpus=4",
            "maxcpus=1 maxcpus=2",
            "possible_cpus=2",
            "quiet -- nr_cpus=1",
        ] {
            assert_eq!(command_line(parameter, 0).advice.len(), 1, "{parameter}");
        }
        for (parameter, more) in [
            ("nr_cpus=8", true),
            ("maxcpus=4", true),
            ("possible_cpus=2", true),
            ("nr_cpus=1", false),
            ("maxcpus=0", false),
            ("nosmp", false),
            ("isolcpus=8", false),
        ] {
            assert_eq!(starts_more_cpus(parameter), more, "{parameter}");
        }
        assert_eq!(command_line("", 0).text, "elfcorehdr=0x00000000");
    }

    #[test]
    fn quoted_values_are_not_split() {
        let line = command_line("dyndbg=\"file a +p; crashkernel=x\" nr_cpus=1", 0);
        assert!(
            line.text
                .ends_with("dyndbg=\"file a +p; crashkernel=x\" nr_cpus=1")
        );
        assert_eq!((line.changes, line.advice), (vec![], vec![]));
    }
}
