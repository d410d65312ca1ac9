//! `--cmdline` and `--reuse-cmdline`.

use super::raw::CommonArgs;
use crate::sys::kernel_cmdline;

/// Words of the running kernel's line that only meant its own start.
const THIS_BOOT: [&str; 5] = [
    "BOOT_IMAGE=",
    "initrd=",
    "acpi_rsdp=",
    "elfcorehdr=",
    "kexec_jump_back_entry=",
];

/// The image's command line: the words of the `running` kernel's first, if
/// asked for, without those that only meant its own start.
pub(super) fn make(args: &CommonArgs, running: &str) -> String {
    let given = args.cmdline.as_deref().unwrap_or("").trim();
    if !args.reuse_cmdline {
        return given.to_owned();
    }
    let stale = |word: &str| {
        // a crash kernel that reserves memory for another has little left
        let reserves = args.panic && word.starts_with("crashkernel=");
        reserves || THIS_BOOT.iter().any(|prefix| word.starts_with(prefix))
    };
    let kept = kernel_cmdline::split(running).into_iter();
    let kept = kept.filter(|word| !stale(word));
    kept.chain((!given.is_empty()).then_some(given))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::raw::{Cli, Verb};
    use clap::Parser;

    const RUNNING: &str = "BOOT_IMAGE=/vmlinuz root=/dev/sda1 dyndbg=\"file a.c +p  initrd=no\" \
         crashkernel=256M initrd=\\initrd.img acpi_rsdp=0x1 quiet";

    fn line(options: &[&str]) -> String {
        let words = ["mbtool", "load", "vmlinuz"].iter().chain(options);
        let Verb::Load(args) = Cli::parse_from(words).verb else {
            panic!("not load")
        };
        make(&args.common, RUNNING)
    }

    #[test]
    fn only_what_is_asked_for() {
        assert_eq!(line(&[]), "");
        assert_eq!(line(&["--cmdline", " a  b "]), "a  b");
        assert_eq!(line(&["--append=-x"]), "-x");
    }

    #[test]
    fn the_running_line_goes_on_without_what_was_for_its_start() {
        let reused = "root=/dev/sda1 dyndbg=\"file a.c +p  initrd=no\" crashkernel=256M quiet";
        assert_eq!(line(&["--reuse-cmdline"]), reused);
        let more = line(&["--reuse-cmdline", "--cmdline", "single"]);
        assert_eq!(more, format!("{reused} single"));
    }

    #[test]
    fn a_crash_kernel_reserves_nothing() {
        let line = line(&["-p", "--reuse-cmdline"]);
        assert!(!line.contains("crashkernel="), "{line}");
        assert!(line.contains("quiet"), "{line}");
    }
}
