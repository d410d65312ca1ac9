//! The crash kernel's command line.

use crate::sys::kernel_cmdline::split;

/// Words that mean the system that crashed, not the one that dumps it.
const NOT_HERE: [&str; 2] = ["crashkernel=", "elfcorehdr="];

/// Words that keep Linux from starting the CPU that the machine booted on,
/// which resets the machine when the crash was on another CPU.
const CPU_WORDS: [&str; 4] = ["nr_cpus=", "maxcpus=", "nosmp", "disable_cpu_apicid="];

/// A command line and what to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// For the crash kernel.
    pub text: String,
    /// For the user.
    pub messages: Vec<String>,
}

/// `given` for a crash kernel whose core header is at `elfcorehdr`, below
/// 4 GiB. The word stands first, where nothing (a limit of length, a `--`) can
/// cut it off. The length does not depend on the address.
#[must_use]
pub fn command_line(given: &str, elfcorehdr: u64) -> Line {
    let mut line = with_header(given, elfcorehdr, "the crash kernel's");
    if !split(&line.text)
        .iter()
        .any(|word| is_one_of(word, &CPU_WORDS))
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

/// The same without advice, for a kernel that starts no CPUs itself. `whose`: "the
/// crash kernel's".
#[must_use]
pub fn with_header(given: &str, elfcorehdr: u64, whose: &str) -> Line {
    let (mut kept, messages) = without(given, &NOT_HERE, whose);
    kept.insert(0, format!("elfcorehdr={elfcorehdr:#010x}"));
    Line {
        text: kept.join(" "),
        messages,
    }
}

fn is_one_of(word: &str, of: &[&str]) -> bool {
    of.iter().any(|prefix| word.starts_with(prefix))
}

/// The words of `given` but those that begin with one of `prefixes`, and a
/// message for each that is left out.
pub(super) fn without(given: &str, prefixes: &[&str], whose: &str) -> (Vec<String>, Vec<String>) {
    // as Linux does: a quoted value may have spaces
    let (dropped, kept): (Vec<&str>, Vec<&str>) = split(given)
        .into_iter()
        .partition(|word| is_one_of(word, prefixes));
    let message = |word: &&str| format!("{word} is left out of {whose} command line");
    (
        kept.into_iter().map(str::to_owned).collect(),
        dropped.iter().map(message).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_comes_first_and_other_systems_words_go() {
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
                "crashkernel=256M is left out of the crash kernel's command line",
                "elfcorehdr=0x1 is left out of the crash kernel's command line",
            ]
        );
    }

    #[test]
    fn advice_about_cpus_and_a_length_that_is_known_before() {
        let line = command_line("quiet", 0x1000);
        assert_eq!(line.messages.len(), 1);
        assert!(line.messages[0].contains("nr_cpus=1"));
        assert_eq!(
            line.text.len(),
            command_line("quiet", 0xffff_f000).text.len()
        );
        for word in ["maxcpus=1", "nosmp", "disable_cpu_apicid=0"] {
            assert_eq!(command_line(word, 0).messages, [""; 0], "{word}");
        }
        assert_eq!(command_line("", 0).text, "elfcorehdr=0x00000000");
    }

    #[test]
    fn quoted_values_stay_whole() {
        let line = command_line("dyndbg=\"file a +p; crashkernel=x\" nr_cpus=1", 0);
        assert!(
            line.text
                .ends_with("dyndbg=\"file a +p; crashkernel=x\" nr_cpus=1")
        );
        assert_eq!(line.messages, [""; 0]);
    }
}
