//! Command lines of the image and of dom0: `--cmdline` and `--reuse-cmdline`.
//!
//! - [`reuse`]: what is taken over from the running kernel;
//! - [`rules`]: parameters that are removed, and those that may be repeated.

mod reuse;
mod rules;

use super::BootOptions;
use super::embedded::EmbeddedLine;
use super::error::OptionError;
use crate::host::Host;
use crate::image::{Image, Protocol};
use crate::plan::cmdline_change::{CmdlineChange, CmdlineEdit, LineOwner};
use crate::plan::xen_image::xen_image;
use reuse::Reused;
use xen_shim::cmdline::Cmdline;

/// The command lines of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cmdlines {
    /// Command line of the image.
    pub image: String,
    /// Arguments of module 0, if they are not those of the options.
    pub dom0: Option<String>,
    /// How they were made.
    pub changes: Vec<CmdlineChange>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// What an image is, as far as command lines differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImageKind {
    /// Linux, by its own or by the PVH entry.
    Linux,
    /// Xen.
    Xen,
    /// Something else.
    Other,
}

impl ImageKind {
    /// Tells what `image` is.
    pub(super) fn of(image: &Image) -> Self {
        match image.protocol {
            _ if xen_image(image).is_some() => Self::Xen,
            Protocol::Linux(_) | Protocol::DtLinux(_) | Protocol::Pvh => Self::Linux,
            Protocol::Multiboot1(_) | Protocol::Multiboot2 | Protocol::DtXen(..) => Self::Other,
        }
    }

    /// Returns the owner of its command line, in messages.
    pub(super) const fn owner(self, crash: bool) -> LineOwner {
        match (self, crash) {
            (Self::Linux, false) => LineOwner::Linux,
            (Self::Linux, true) => LineOwner::CrashKernel,
            (Self::Xen, _) => LineOwner::Xen,
            (Self::Other, _) => LineOwner::Image,
        }
    }
}

/// Where command lines come from beside options.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineSources<'a> {
    /// The line in a unified image.
    pub embedded: Option<&'a EmbeddedLine>,
    /// Module 0 has no arguments.
    pub bare: bool,
}

/// Makes the command lines.
///
/// `--cmdline` replaces the line in a unified image, `--append` adds to it.
///
/// With `--reuse-cmdline` Linux gets the running kernel's parameters, Xen those
/// of the running Xen, and dom0, unless it has arguments, those of the running
/// dom0: without those that concern the start of the running kernel or, for a
/// crash image, use memory. `--cmdline` and `--append` are added, and replace.
///
/// # Errors
///
/// When the command line to reuse does not exist or is not complete.
pub(super) fn make(
    options: &BootOptions,
    kind: ImageKind,
    host: &Host,
    sources: LineSources<'_>,
) -> Result<Cmdlines, OptionError> {
    let mut lines = assemble(options, kind, host, sources)?;
    if options.crash {
        let image = (kind == ImageKind::Linux).then_some(&lines.image);
        let image = image.and_then(|line| reuse::advice(line, kind.owner(true)));
        let dom0 = lines.dom0.as_ref();
        let dom0 = dom0.and_then(|line| reuse::advice(line, LineOwner::Dom0));
        lines.notes.extend(image.into_iter().chain(dom0));
    }
    Ok(lines)
}

/// Makes them, without advice.
fn assemble(
    options: &BootOptions,
    kind: ImageKind,
    host: &Host,
    sources: LineSources<'_>,
) -> Result<Cmdlines, OptionError> {
    let given = options.cmdline.as_deref().unwrap_or("").trim();
    let appended = options.append.as_deref().unwrap_or("").trim();
    let owner = kind.owner(options.crash);
    if !options.reuse_cmdline {
        let mut line = match (&options.cmdline, sources.embedded) {
            (None, Some(embedded)) => Reused::embedded(embedded, kind, owner, options.crash),
            _ if given.is_empty() || appended.is_empty() => {
                return Ok(Cmdlines {
                    image: format!("{given}{appended}"),
                    ..Cmdlines::default()
                });
            }
            _ => Reused::given(given, kind, owner),
        };
        line.add(appended);
        return Ok(Cmdlines {
            image: line.line.to_string(),
            dom0: None,
            changes: line.changes,
            notes: line.notes,
        });
    }
    let mut reused = match kind {
        ImageKind::Xen => Reused::from_xen(host, options.crash)?,
        _ => Reused::from_linux(host, owner, "Linux", options.crash)?,
    };
    if kind == ImageKind::Linux {
        reused.leave_xen(host);
    }
    if options.real_mode {
        reused.allow_bios_calls();
    }
    reused.add(given);
    reused.add(appended);
    let mut lines = Cmdlines {
        image: reused.line.to_string(),
        dom0: None,
        changes: reused.changes,
        notes: reused.notes,
    };
    if kind == ImageKind::Xen && sources.bare {
        let dom0 = Reused::from_linux(host, LineOwner::Dom0, "dom0", options.crash)?;
        lines.dom0 = Some(dom0.line.to_string());
        lines.changes.extend(dom0.changes);
        lines.notes.extend(dom0.notes);
    }
    Ok(lines)
}

/// An edit that says from where a line was taken.
fn taken(line: &Cmdline, owner: LineOwner, from: &'static str) -> CmdlineChange {
    CmdlineChange {
        line: owner,
        edit: CmdlineEdit::Reused {
            from,
            parameters: line.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
