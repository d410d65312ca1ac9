//! Requests that load but cannot do what they are meant for.

use super::cmdline::ImageKind;
use super::console::xen;
use crate::host::Host;
use crate::plan::Request;
use crate::plan::cmdline_change::LineOwner;
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
    /// A crash kernel that hangs when it panics.
    #[error("{line} command line has no panic=: a crash kernel that panics itself hangs forever{}", tail(self.fix()))]
    NoPanic {
        /// Whose command line.
        line: LineOwner,
    },
    /// The only consoles are Xen's, and there is no Xen.
    #[error(
        "{parameter} is a console of Xen, and there is none below the new kernel: nobody sees its output{}",
        tail(self.fix())
    )]
    XenConsole {
        /// The parameter.
        parameter: String,
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
            Self::NoRoot { .. } => "give --initrd, and root= with --cmdline".into(),
            Self::RootLost {
                line: LineOwner::Dom0,
                running,
            } => format!("give {running} after the kernel in --module").into(),
            Self::RootLost { .. } => "--reuse-cmdline takes it over".into(),
            Self::NoPanic { .. } => "add panic=10".into(),
            Self::LineOfLinux { .. } => "give its own with --cmdline".into(),
            Self::XenConsole { .. } => "give console=ttyS0,115200, or --reuse-cmdline".into(),
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
            found
        }
        ImageKind::Xen => {
            let Some((kernel, rest)) = request.modules.split_first() else {
                return Vec::new();
            };
            let line = Cmdline::linux(&kernel.cmdline);
            let mut found = root(&line, LineOwner::Dom0, !rest.is_empty(), host);
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
    let named = ["root", "nfsroot", "rdinit", "rd.root"];
    if named.iter().any(|name| line.has(name)) {
        return Vec::new();
    }
    if !initrd {
        return vec![BootWarning::NoRoot { line: owner }];
    }
    // the initrd of a crash kernel may save the dump by itself
    let running = Cmdline::linux(&host.cmdline);
    let parameter = running
        .own()
        .rfind(|parameter| running.is(parameter, "root"));
    let lost = parameter.filter(|_| owner != LineOwner::CrashKernel);
    lost.map(|running| BootWarning::RootLost {
        line: owner,
        running: running.to_owned(),
    })
    .into_iter()
    .collect()
}

fn panics(line: &Cmdline, owner: LineOwner, request: &Request) -> Option<BootWarning> {
    let missing = request.crash.is_some() && !line.has("panic");
    missing.then_some(BootWarning::NoPanic { line: owner })
}

fn console(line: &Cmdline, owner: LineOwner, host: &Host) -> Option<BootWarning> {
    let consoles: Vec<&str> = line
        .own()
        .filter(|parameter| line.is(parameter, "console"))
        .collect();
    let of_xen = |parameter: &&str| value(parameter).is_some_and(|value| value.starts_with("hvc"));
    if host.xen.is_some() && !consoles.is_empty() && consoles.iter().all(of_xen) {
        let parameter = consoles.join(" ");
        return Some(BootWarning::XenConsole { parameter });
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
    let Some(xen) = &host.xen else {
        return serial(host);
    };
    let line = Cmdline::xen(xen.command_line.as_deref()?);
    let port = xen::port(&line, &host.serial.pci)?;
    Some(format!("console={}", port.linux()))
}

/// Returns the running kernel's last console, unless it is a screen.
fn serial(host: &Host) -> Option<String> {
    let line = Cmdline::linux(&host.cmdline);
    let last = line
        .own()
        .rfind(|parameter| line.is(parameter, "console"))?;
    let value = value(last)?;
    let screen = value
        .strip_prefix("tty")
        .is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit()));
    (!screen && !value.is_empty() && !value.starts_with("null")).then(|| last.to_owned())
}

#[cfg(test)]
#[path = "warnings_tests.rs"]
mod tests;
