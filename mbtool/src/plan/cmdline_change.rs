//! Changes of a command line: what mbtool reused, removed, replaced and added.

use serde::Serialize;
use std::fmt;

/// Whose command line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineOwner {
    /// Linux.
    Linux,
    /// Linux as crash image.
    CrashKernel,
    /// Xen.
    Xen,
    /// Module 0 of Xen.
    Dom0,
    /// Any other image.
    Image,
}

impl fmt::Display for LineOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linux => "Linux's",
            Self::CrashKernel => "the crash kernel's",
            Self::Xen => "Xen's",
            Self::Dom0 => "dom0's",
            Self::Image => "the image's",
        })
    }
}

/// A change of a command line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CmdlineChange {
    /// Whose line it is.
    pub line: LineOwner,
    /// The change.
    #[serde(flatten)]
    pub edit: CmdlineEdit,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "kebab-case")]
pub enum CmdlineEdit {
    /// The line starts with that of a running kernel.
    Reused {
        /// The running kernel: "Linux", "Xen", "dom0".
        from: &'static str,
        /// What was taken over.
        parameters: String,
    },
    /// The line starts with that in a unified image.
    Embedded {
        /// Its section: ".cmdline" or ".config".
        from: &'static str,
        /// What was taken over.
        parameters: String,
    },
    /// A parameter was removed.
    Removed {
        /// The parameter.
        parameter: String,
        /// Reason.
        why: &'static str,
    },
    /// A parameter was replaced.
    Replaced {
        /// The old one.
        parameter: String,
        /// The new one.
        by: String,
        /// Reason.
        why: &'static str,
    },
    /// A parameter was added.
    Added {
        /// The parameter.
        parameter: String,
        /// Reason.
        why: &'static str,
    },
}

impl CmdlineChange {
    /// A removed parameter.
    #[must_use]
    pub fn removed(line: LineOwner, parameter: String, why: &'static str) -> Self {
        let edit = CmdlineEdit::Removed { parameter, why };
        Self { line, edit }
    }

    /// An added parameter.
    #[must_use]
    pub fn added(line: LineOwner, parameter: String, why: &'static str) -> Self {
        let edit = CmdlineEdit::Added { parameter, why };
        Self { line, edit }
    }

    /// A replaced parameter.
    #[must_use]
    pub fn replaced(line: LineOwner, parameter: String, by: String, why: &'static str) -> Self {
        let edit = CmdlineEdit::Replaced { parameter, by, why };
        Self { line, edit }
    }
}

impl fmt::Display for CmdlineChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line;
        match &self.edit {
            CmdlineEdit::Reused { from, parameters } => {
                write!(
                    f,
                    "{line} command line reuses that of the running {from}: {parameters}"
                )
            }
            CmdlineEdit::Embedded { from, parameters } => {
                write!(
                    f,
                    "{line} command line is that of the image's {from}: {parameters}"
                )
            }
            CmdlineEdit::Removed { parameter, why } => {
                write!(f, "{parameter} is removed from {line} command line: {why}")
            }
            CmdlineEdit::Replaced { parameter, by, why } => {
                write!(
                    f,
                    "{parameter} is replaced by {by} on {line} command line: {why}"
                )
            }
            CmdlineEdit::Added { parameter, why } => {
                write!(f, "added {parameter} to {line} command line: {why}")
            }
        }
    }
}
