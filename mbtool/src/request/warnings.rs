//! Requests that load but cannot do what they are meant for.

use super::cmdline::ImageKind;
use super::console::xen;
use crate::decompress::decompress_prefix;
use crate::host::Host;
use crate::image::FileKind;
use crate::plan::cmdline_change::LineOwner;
use crate::plan::{Module, Request};
use xen_shim::cmdline::{Cmdline, value};
use xen_shim::fix::{Fix, Remedy, tail};

/// Something that is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootWarning {
    /// A kernel without a root file system.
    #[error(
        "{line} command line has no root=, and there is no initrd: the kernel panics when it mounts its root file \
         system, unless one is built in{}",
        tail(self.fix())
    )]
    NoRoot {
        /// Whose command line.
        line: LineOwner,
    },
    /// A root file system that only an initrd can find.
    #[error(
        "{parameter} on {line} command line can only be found by an initrd, and there is none{}",
        tail(self.fix())
    )]
    RootNeedsInitrd {
        /// Whose command line.
        line: LineOwner,
        /// The parameter.
        parameter: String,
    },
    /// A kernel with an initrd, but without the parameter that the running one has.
    #[error(
        "{line} command line has no root=, the running one has {running}: an initrd of a distribution stops without it{}",
        tail(self.fix())
    )]
    RootLost {
        /// Whose command line.
        line: LineOwner,
        /// The running kernel's parameter.
        running: String,
    },
    /// A crash kernel that hangs when it panics: without `panic=`, or with 0.
    #[error("{line} command line has no panic=: a crash kernel that panics itself hangs forever{}", tail(self.fix()))]
    NoPanic {
        /// Whose command line.
        line: LineOwner,
    },
    /// The only serial console is Xen's, and there is no Xen.
    #[error(
        "{parameter} is a console of Xen, and there is none below the new kernel: its output is lost{}",
        tail(self.fix())
    )]
    XenConsole {
        /// The parameter.
        parameter: String,
        /// `console=` for the serial port of the running Xen.
        serial: Option<String>,
    },
    /// Only the console that prints nothing.
    #[error("{parameter} on {line} command line: the kernel prints nothing{}", tail(self.fix()))]
    Mute {
        /// Whose command line.
        line: LineOwner,
        /// The parameter.
        parameter: String,
    },
    /// A program in place of an initrd.
    #[error("{name} is given as initrd, but it is {kind}{}", tail(self.fix()))]
    NoInitrd {
        /// Name of the file.
        name: String,
        /// What it is.
        kind: FileKind,
    },
    /// Linux's command line for an image that is neither Linux nor Xen.
    #[error("{image} is neither Linux nor Xen, and gets the running Linux's command line{}", tail(self.fix()))]
    LineOfLinux {
        /// Name of the image.
        image: String,
    },
    /// No console on a machine that is used over a serial port.
    #[error(
        "{line} command line has no console=, the running one has {running}: its output goes to the screen only{}",
        tail(self.fix())
    )]
    ConsoleLost {
        /// Whose command line.
        line: LineOwner,
        /// The running kernel's parameter.
        running: String,
    },
}

impl Fix for BootWarning {
    fn fix(&self) -> Remedy {
        Some(match self {
            Self::NoRoot {
                line: LineOwner::Dom0,
            } => "give root= after the kernel in --module, and an initrd with --initrd".into(),
            Self::RootNeedsInitrd { .. } => "give --initrd".into(),
            Self::NoRoot { .. } => "give --initrd, and root= with --cmdline".into(),
            Self::RootLost {
                line: LineOwner::Dom0,
                running,
            } => format!("give {running} after the kernel in --module").into(),
            Self::RootLost { .. } => "--reuse-cmdline takes it over".into(),
            Self::Mute { .. } => "leave it out to see its output".into(),
            Self::NoInitrd { .. } => "give an archive of cpio, compressed or not".into(),
            Self::NoPanic { .. } => "add panic=10".into(),
            Self::LineOfLinux { .. } => "give its own with --cmdline".into(),
            Self::XenConsole {
                serial: Some(serial),
                ..
            } => format!("give {serial}, or --reuse-cmdline").into(),
            Self::XenConsole { serial: None, .. } => "leave it out".into(),
            Self::ConsoleLost {
                line: LineOwner::Dom0,
                ..
            } => "give console=hvc0 to print on Xen's console".into(),
            Self::ConsoleLost { running, .. } => format!("add {running}").into(),
        })
    }
}

/// Returns what is missing in `request`, an image of this `kind`; `reused`: with `--reuse-cmdline`.
pub(super) fn missing(
    request: &Request,
    kind: ImageKind,
    reused: bool,
    host: &Host,
) -> Vec<BootWarning> {
    match kind {
        ImageKind::Other if reused => {
            let image = request.image.name.clone();
            vec![BootWarning::LineOfLinux { image }]
        }
        ImageKind::Other => Vec::new(),
        ImageKind::Linux => {
            let line = Cmdline::linux(&request.cmdline);
            let initrd = !request.modules.is_empty();
            let owner = kind.owner(request.crash.is_some());
            let mut found = root(&line, owner, initrd, host);
            found.extend(panics(&line, owner, request));
            found.extend(console(&line, owner, host));
            found.extend(request.modules.first().and_then(no_initrd));
            found
        }
        ImageKind::Xen => {
            let Some((kernel, rest)) = request.modules.split_first() else {
                return Vec::new();
            };
            let line = Cmdline::linux(&kernel.cmdline);
            let mut found = root(&line, LineOwner::Dom0, !rest.is_empty(), host);
            found.extend(rest.first().and_then(no_initrd));
            found.extend(panics(&line, LineOwner::Dom0, request));
            if !line.has("console") && Cmdline::xen(&request.cmdline).has("console") {
                found.extend(serial(host).map(|running| BootWarning::ConsoleLost {
                    line: LineOwner::Dom0,
                    running,
                }));
            }
            found
        }
    }
}

fn root(line: &Cmdline, owner: LineOwner, initrd: bool, host: &Host) -> Vec<BootWarning> {
    let given = |name: &&str| line.value(name).is_some_and(|value| !value.is_empty());
    let of_initrd = ["rdinit", "rd.root"];
    let named = ["root", "nfsroot"].iter().any(given) || initrd && of_initrd.iter().any(given);
    if named {
        let parameter = line.named("root").next_back();
        let found = parameter.filter(|root| !initrd && needs_initrd(root));
        let found = found.map(|root| BootWarning::RootNeedsInitrd {
            line: owner,
            parameter: root.to_owned(),
        });
        return found.into_iter().collect();
    }
    if !initrd {
        return vec![BootWarning::NoRoot { line: owner }];
    }
    // the initrd of a crash kernel may save the dump by itself
    let running = Cmdline::linux(&host.cmdline);
    let parameter = running.named("root").next_back();
    let lost = parameter.filter(|_| owner != LineOwner::CrashKernel);
    lost.map(|running| BootWarning::RootLost {
        line: owner,
        running: running.to_owned(),
    })
    .into_iter()
    .collect()
}

/// True for a root file system that the kernel cannot find by itself (init/do_mounts.c: it knows
/// device names, numbers, and `PARTUUID=`, `PARTLABEL=`).
fn needs_initrd(root: &str) -> bool {
    let value = value(root).unwrap_or_default();
    if let Some(device) = value.strip_prefix("/dev/") {
        // a few drivers have a slash in their names; other directories are of udev
        return device
            .split_once('/')
            .is_some_and(|(dir, _)| !KERNEL_DIRS.contains(&dir));
    }
    ["UUID=", "LABEL=", "ZFS="]
        .iter()
        .any(|prefix| value.starts_with(prefix))
}

/// Directories in the names of block devices of the kernel.
const KERNEL_DIRS: [&str; 4] = ["cciss", "ida", "rd", "i2o"];

/// Bytes of a file by which a program is known.
const HEAD: u64 = 1 << 20;

/// A module for an initrd that is a program. Unknown data is none: a dom0 takes other files, too.
fn no_initrd(module: &Module) -> Option<BootWarning> {
    let head = decompress_prefix(&module.data, &module.name, HEAD).ok()?;
    let kind = FileKind::of(&head);
    match kind {
        FileKind::Compressed(_) | FileKind::Data(_) | FileKind::Empty | FileKind::Unknown(_) => {
            None
        }
        kind => Some(BootWarning::NoInitrd {
            name: module.name.clone(),
            kind,
        }),
    }
}

fn panics(line: &Cmdline, owner: LineOwner, request: &Request) -> Option<BootWarning> {
    // 0, the default, hangs
    let hangs = line.value("panic").is_none_or(|value| value == "0");
    let missing = request.crash.is_some() && hangs;
    missing.then_some(BootWarning::NoPanic { line: owner })
}

fn console(line: &Cmdline, owner: LineOwner, host: &Host) -> Option<BootWarning> {
    let consoles: Vec<&str> = line.named("console").collect();
    let of_xen = |parameter: &&str| value(parameter).is_some_and(|value| value.starts_with("hvc"));
    let visible = consoles
        .iter()
        .any(|console| is_serial(console) && !of_xen(console));
    if host.xen.is_some() && !visible && consoles.iter().any(of_xen) {
        let lost = consoles.into_iter().filter(of_xen).collect::<Vec<_>>();
        return Some(BootWarning::XenConsole {
            parameter: lost.join(" "),
            serial: serial_without_xen(host),
        });
    }
    let mute = |parameter: &&str| matches!(value(parameter), Some("" | "null"));
    if let Some(parameter) = consoles.last()
        && consoles.iter().all(mute)
    {
        return Some(BootWarning::Mute {
            line: owner,
            parameter: (*parameter).to_owned(),
        });
    }
    if consoles.is_empty() && !line.has("earlyprintk") && !line.has("earlycon") {
        let running = serial_without_xen(host)?;
        return Some(BootWarning::ConsoleLost {
            line: owner,
            running,
        });
    }
    None
}

/// Returns the running kernel's last console, unless it is a screen, as it is
/// called without Xen.
fn serial_without_xen(host: &Host) -> Option<String> {
    match host.xen {
        Some(_) => Some(xen::running_port(host)?.linux()),
        None => serial(host),
    }
}

/// Returns the running kernel's last console, unless it is a screen.
fn serial(host: &Host) -> Option<String> {
    let line = Cmdline::linux(&host.cmdline);
    let last = line.named("console").next_back()?;
    is_serial(last).then(|| last.to_owned())
}

/// True for a `console=` that is no screen.
fn is_serial(parameter: &str) -> bool {
    let value = value(parameter).unwrap_or_default();
    let screen = value
        .strip_prefix("tty")
        .is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()));
    !screen && !value.is_empty() && !value.starts_with("null")
}

#[cfg(test)]
#[path = "warnings_tests.rs"]
mod tests;
