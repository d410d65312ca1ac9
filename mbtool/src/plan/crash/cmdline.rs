//! The crash kernel's command line.

use crate::sys::kernel_cmdline::split;

/// Parameters that apply to the crashed system, not to the crash kernel.
const NOT_HERE: [&str; 2] = ["crashkernel=", "elfcorehdr="];

/// Parameters that keep Linux from starting the boot CPU, which would reset the
/// machine if the crash was on another CPU.
const CPU_PARAMETERS: [&str; 4] = ["nr_cpus=", "maxcpus=", "nosmp", "disable_cpu_apicid="];

/// A command line, and messages about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrashCmdline {
    /// Command line of the crash kernel.
    pub text: String,
    /// Messages for the user.
    pub messages: Vec<String>,
}

/// Returns `given` with `elfcorehdr=` for a core header below 4 GiB. The
/// parameter comes first, where neither a length limit nor `--` cuts it off.
/// The length does not depend on the address.
#[must_use]
pub fn command_line(given: &str, elfcorehdr: u64) -> CrashCmdline {
    let mut line = with_header(given, elfcorehdr, "the crash kernel's");
    if !split(&line.text)
        .iter()
        .any(|parameter| is_one_of(parameter, &CPU_PARAMETERS))
    {
        line.messages.push(
            "the crash kernel's command line has no nr_cpus=1: before Linux 6.9 a kernel that \
             starts more CPUs resets the machine when the crash was not on the CPU that it booted \
             on"
            .to_owned(),
        );
    }
    line
}

/// Like [`command_line`], without advice: for a kernel that starts no CPUs itself.
/// `whose` is for instance "the crash kernel's".
#[must_use]
pub fn with_header(given: &str, elfcorehdr: u64, whose: &str) -> CrashCmdline {
    let (mut kept, messages) = without(given, &NOT_HERE, whose);
    kept.insert(0, format!("elfcorehdr={elfcorehdr:#010x}"));
    CrashCmdline {
        text: kept.join(" "),
        messages,
    }
}

fn is_one_of(parameter: &str, of: &[&str]) -> bool {
    of.iter().any(|prefix| parameter.starts_with(prefix))
}

/// Returns the parameters in `given` that begin with none of `prefixes`, and a
/// message for each that is removed.
pub(super) fn without(given: &str, prefixes: &[&str], whose: &str) -> (Vec<String>, Vec<String>) {
    // as in Linux: a quoted value may contain spaces
    let (dropped, kept): (Vec<&str>, Vec<&str>) = split(given)
        .into_iter()
        .partition(|parameter| is_one_of(parameter, prefixes));
    let message = |parameter: &&str| format!("{parameter} is removed from {whose} command line");
    (
        kept.into_iter().map(str::to_owned).collect(),
        dropped.iter().map(message).collect(),
    )
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
        assert_eq!(
            line.messages,
            [
                "crashkernel=256M is removed from the crash kernel's command line",
                "elfcorehdr=0x1 is removed from the crash kernel's command line",
            ]
        );
    }

    #[test]
    fn missing_nr_cpus_is_a_warning_and_the_length_is_fixed() {
        let line = command_line("quiet", 0x1000);
        assert_eq!(line.messages.len(), 1);
        assert!(line.messages[0].contains("nr_cpus=1"));
        assert_eq!(
            line.text.len(),
            command_line("quiet", 0xffff_f000).text.len()
        );
        for parameter in ["maxcpus=1", "nosmp", "disable_cpu_apicid=0"] {
            assert_eq!(command_line(parameter, 0).messages, [""; 0], "{parameter}");
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
        assert_eq!(line.messages, [""; 0]);
    }
}
