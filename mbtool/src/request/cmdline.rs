//! `--cmdline` and `--reuse-cmdline`.

use super::BootOptions;
use crate::sys::kernel_cmdline;

/// Parameters that concern only the start of the running kernel.
const THIS_BOOT: [&str; 5] = [
    "BOOT_IMAGE=",
    "initrd=",
    "acpi_rsdp=",
    "elfcorehdr=",
    "kexec_jump_back_entry=",
];

/// The image's command line. With `--reuse-cmdline` it begins with the parameters of
/// the `running` kernel, except those that concern its own start.
pub(crate) fn make(options: &BootOptions, running: &str) -> String {
    let given = options.cmdline.as_deref().unwrap_or("").trim();
    if !options.reuse_cmdline {
        return given.to_owned();
    }
    let stale = |parameter: &str| {
        // a crash kernel that reserves memory for another one has little left
        let reserves = options.crash && parameter.starts_with("crashkernel=");
        reserves || THIS_BOOT.iter().any(|prefix| parameter.starts_with(prefix))
    };
    let kept = kernel_cmdline::split(running).into_iter();
    let kept = kept.filter(|parameter| !stale(parameter));
    kept.chain((!given.is_empty()).then_some(given))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const RUNNING: &str = "BOOT_IMAGE=/vmlinuz root=/dev/sda1 dyndbg=\"file a.c +p  initrd=no\" \
         crashkernel=256M initrd=\\initrd.img acpi_rsdp=0x1 quiet";

    fn line(cmdline: Option<&str>, reuse_cmdline: bool, crash: bool) -> String {
        let options = BootOptions {
            cmdline: cmdline.map(str::to_owned),
            reuse_cmdline,
            crash,
            ..BootOptions::new(PathBuf::new())
        };
        make(&options, RUNNING)
    }

    #[test]
    fn the_command_line_is_only_that_of_the_options() {
        assert_eq!(line(None, false, false), "");
        assert_eq!(line(Some(" a  b "), false, false), "a  b");
        assert_eq!(line(Some("-x"), false, false), "-x");
    }

    #[test]
    fn the_running_command_line_is_reused_without_parameters_for_its_start() {
        let reused = "root=/dev/sda1 dyndbg=\"file a.c +p  initrd=no\" crashkernel=256M quiet";
        assert_eq!(line(None, true, false), reused);
        let more = line(Some("single"), true, false);
        assert_eq!(more, format!("{reused} single"));
    }

    #[test]
    fn a_crash_kernel_reserves_nothing() {
        let line = line(None, true, true);
        assert!(!line.contains("crashkernel="), "{line}");
        assert!(line.contains("quiet"), "{line}");
    }
}
