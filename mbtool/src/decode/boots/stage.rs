//! Stages on the way to user space, by what Xen, Linux and the first programs print.

use crate::decode::log_line::{LineLabel, LogLine};
use crate::decode::text_set::{find, starts_with};
use serde::Serialize;

/// Progress of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Xen's first line.
    Xen,
    /// Xen has started its CPUs.
    XenCpus,
    /// Xen builds dom0.
    Dom0Build,
    /// Xen has started dom0.
    Dom0,
    /// Linux's first line.
    Linux,
    /// Linux has started its CPUs.
    LinuxCpus,
    /// Linux has initialized its drivers.
    LinuxReady,
    /// Linux starts init.
    Init,
    /// A program prints.
    UserSpace,
}

impl Stage {
    /// Description for a report.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Xen => "Xen prints",
            Self::XenCpus => "Xen has started its CPUs",
            Self::Dom0Build => "Xen builds dom0",
            Self::Dom0 => "dom0 runs",
            Self::Linux => "Linux prints",
            Self::LinuxCpus => "Linux has started its CPUs",
            Self::LinuxReady => "Linux is initialized",
            Self::Init => "Linux starts init",
            Self::UserSpace => "user space prints",
        }
    }
}

/// The stage that a line shows.
pub(super) fn stage(line: &LogLine<'_>) -> Option<Stage> {
    let text = line.body;
    let starts = |marks: &[&str]| marks.iter().any(|mark| starts_with(text, mark));
    if line.label == Some(LineLabel::Xen) || line.label.is_none() && !line.stamped {
        let xen = match text {
            _ if starts(&["Xen version "]) => Some(Stage::Xen),
            _ if starts(&["Brought up "]) && line.label.is_some() => Some(Stage::XenCpus),
            _ if starts(&[
                "*** Building a PV",
                "*** LOADING DOMAIN 0",
                "*** Building Dom0",
            ]) =>
            {
                Some(Stage::Dom0Build)
            }
            _ if starts(&["*** Serial input to DOM0", "*** Serial input -> DOM0"]) => {
                Some(Stage::Dom0)
            }
            // dom0's first lines, without a label
            "mapping kernel into physical memory" | "about to get started..." => Some(Stage::Dom0),
            _ => None,
        };
        if xen.is_some() || line.label.is_some() {
            return xen;
        }
    }
    match text {
        _ if starts(&["Linux version "]) => Some(Stage::Linux),
        _ if starts(&[
            "smp: Brought up ",
            "Brought up ",
            "SMP: Total of ",
            "Total of ",
        ]) && text.contains("CPU")
            || starts(&["smpboot: Total of "]) =>
        {
            Some(Stage::LinuxCpus)
        }
        _ if starts(&["Freeing unused kernel", "Freeing init memory"]) => Some(Stage::LinuxReady),
        _ if starts(&["Run /"]) && text.contains(" as init process") => Some(Stage::Init),
        _ if starts(&USER_SPACE) || is_login(text) => Some(Stage::UserSpace),
        _ => None,
    }
}

/// True for a login prompt.
pub(super) fn is_login(text: &str) -> bool {
    find(text, "login:").is_some()
        && (text.contains(" login: ") || text.ends_with(" login:") || text.starts_with("login:"))
}

/// What the first programs of common systems print.
const USER_SPACE: [&str; 13] = [
    "systemd[1]:",
    "systemd-udevd[",
    "Welcome to ",
    "[  OK  ]",
    "[ OK ]",
    "INIT: version",
    "init started: BusyBox",
    "Starting version ",
    "Starting systemd-udevd",
    "Loading, please wait",
    "Begin: ",
    "dracut: ",
    "OpenRC ",
];
