//! Steps to add a kernel parameter, for each boot loader.

use super::{BootLoader, BootLoaderKind};
use crate::plan::crash::Reserve;
use serde::Serialize;

/// Name of the file in a drop-in directory. Files are read in the order of their
/// names, and this one extends a variable that Debian's xen.cfg sets.
pub(super) const DROP_IN: &str = "zz-mbtool.cfg";
/// Former name, which sorts before xen.cfg.
pub(super) const OLD_DROP_IN: &str = "mbtool.cfg";

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BootLoaderStep {
    /// Description.
    pub text: String,
    /// Command for a root shell, if there is one.
    pub command: Option<String>,
}

impl BootLoaderStep {
    fn run(text: &str, command: String) -> Self {
        Self {
            text: text.to_owned(),
            command: Some(command),
        }
    }

    const fn by_hand(text: String) -> Self {
        Self {
            text,
            command: None,
        }
    }
}

impl BootLoader {
    /// Returns the steps to add `word` to the command line of Linux or Xen; empty
    /// for an unknown boot loader. A reboot must follow.
    #[must_use]
    pub fn steps(&self, word: Reserve) -> Vec<BootLoaderStep> {
        let found = &self.found;
        let mut steps = Vec::new();
        for file in &self.reserving {
            steps.push(BootLoaderStep::by_hand(format!(
                "take the crashkernel= out of /{file}: of several, the last one applies"
            )));
        }
        match &self.kind {
            BootLoaderKind::Grub { drop_in, command } => {
                let name = if word.xen { "XEN" } else { "LINUX" };
                let name = format!("GRUB_CMDLINE_{name}_DEFAULT");
                let line = format!("'{name}=\"${name} {word}\"'");
                let to = match drop_in {
                    true => format!("> /etc/default/grub.d/{DROP_IN}"),
                    false => format!(">> /{found}"),
                };
                if let Some(old) = &self.old {
                    let command = format!("rm -f /{old}");
                    steps.push(BootLoaderStep::run(
                        "remove the file of an older mbtool",
                        command,
                    ));
                }
                steps.push(BootLoaderStep::run(
                    "add the parameter",
                    format!("echo {line} {to}"),
                ));
                steps.push(BootLoaderStep::run("make grub.cfg anew", command.clone()));
            }
            BootLoaderKind::GrubBls => steps.push(BootLoaderStep::run(
                "add the parameter to all entries",
                format!("grubby --update-kernel=ALL --args={word}"),
            )),
            BootLoaderKind::GrubByHand => {
                let line = if word.xen {
                    "Xen's line"
                } else {
                    "line that begins with linux"
                };
                steps.push(BootLoaderStep::by_hand(format!(
                    "add the parameter to the {line} in /{found}"
                )));
            }
            BootLoaderKind::KernelInstall { cmdline, kernel } => {
                let add = match cmdline {
                    true => format!(
                        "sed -i 's/ *crashkernel=[^ ]*//g; s/ *$/ {word}/' /etc/kernel/cmdline"
                    ),
                    false => format!(
                        "sed 's/\\(BOOT_IMAGE\\|initrd\\|crashkernel\\)=[^ ]* *//g; s/ *$/ {word}/' \
                         /proc/cmdline > /etc/kernel/cmdline"
                    ),
                };
                steps.push(BootLoaderStep::run("add the parameter", add));
                steps.push(BootLoaderStep::run(
                    "regenerate the running kernel's entry",
                    format!("kernel-install add \"$(uname -r)\" {kernel}"),
                ));
            }
            BootLoaderKind::Entries => steps.push(BootLoaderStep::by_hand(format!(
                "add the parameter to the options line of the entry that is booted, as in /{found}"
            ))),
            BootLoaderKind::UBootMenu => {
                let line = format!("'U_BOOT_PARAMETERS=\"$U_BOOT_PARAMETERS {word}\"'");
                steps.push(BootLoaderStep::run(
                    "add the parameter",
                    format!("echo {line} >> /{found}"),
                ));
                steps.push(BootLoaderStep::run(
                    "make extlinux.conf anew",
                    "u-boot-update".to_owned(),
                ));
            }
            BootLoaderKind::UpdateExtlinux => {
                let add = format!(
                    "sed -i 's/^\\(default_kernel_opts=.*[^\"]\\)\\(\"*\\)$/\\1 {word}\\2/' /{found}"
                );
                steps.push(BootLoaderStep::run("add the parameter", add));
                steps.push(BootLoaderStep::run(
                    "make extlinux.conf anew",
                    "update-extlinux".to_owned(),
                ));
            }
            BootLoaderKind::Syslinux if word.xen => steps.push(BootLoaderStep::by_hand(format!(
                "add the parameter to the line in /{found} that loads Xen, before its first ---"
            ))),
            BootLoaderKind::Syslinux => {
                steps.push(BootLoaderStep::by_hand(format!(
                    "add the parameter to the append line in /{found}"
                )));
            }
            BootLoaderKind::XenCfg => steps.push(BootLoaderStep::by_hand(format!(
                "add the parameter to the options= line, in the section of /{found} that default= names"
            ))),
            BootLoaderKind::Unknown => {}
        }
        steps
    }
}
