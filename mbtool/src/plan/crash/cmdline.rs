//! The crash kernel's command line.

use crate::plan::cmdline_change::{CmdlineChange, LineOwner};
use xen_shim::cmdline::Cmdline;

/// Parameters that apply to the crashed system, not to the crash kernel.
const NOT_HERE: [&str; 2] = ["crashkernel", "elfcorehdr"];
/// Why they are removed.
const OF_THE_CRASHED: &str = "it applies to the crashed system";

/// Parameters that keep Linux from starting the boot CPU, which would reset the
/// machine if the crash was on another CPU.
const CPU_PARAMETERS: [&str; 4] = ["nr_cpus", "maxcpus", "nosmp", "disable_cpu_apicid"];

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
    let own = Cmdline::linux(&line.text);
    if !CPU_PARAMETERS.iter().any(|name| own.has(name)) {
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
        for parameter in ["maxcpus=1", "nosmp", "disable_cpu_apicid=0"] {
            assert_eq!(command_line(parameter, 0).advice, [""; 0], "{parameter}");
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
