//! Files and command line in a unified image.

use super::{BootOptions, ModuleKind};
use crate::image::error::ImageErrorReason;
use crate::image::unified::{Unified, UnifiedLinux, UnifiedPart, UnifiedXen};
use crate::image::{FileKind, ImageError};
use crate::plan::Module;
use std::fmt;

/// What a unified image has beside the image itself.
#[derive(Clone, Debug, Default)]
pub struct Embedded {
    /// Its command line.
    pub line: Option<EmbeddedLine>,
    /// Modules of Xen, dom0's kernel first.
    pub modules: Vec<Module>,
    /// Initrd of Linux, microcode first.
    pub initrd: Vec<Module>,
    /// Notes for stderr.
    pub notes: Vec<EmbeddedNote>,
}

/// A command line in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedLine {
    /// Its section: ".cmdline" or ".config".
    pub from: &'static str,
    /// The parameters.
    pub line: String,
}

/// What is taken from a unified image, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EmbeddedNote {
    /// Sections that are used, each with its length in bytes.
    Taken(Vec<(&'static str, usize)>),
    /// The image has several profiles.
    Profile {
        /// Number of profiles.
        count: usize,
        /// Text of the first.
        first: String,
    },
    /// Files were given in place of these sections.
    Replaced {
        /// The option that gives them.
        option: &'static str,
        /// The sections.
        sections: Vec<&'static str>,
    },
}

impl Embedded {
    /// Reads what `options` take from `file`, named `name`.
    ///
    /// # Errors
    ///
    /// When the image is damaged or incomplete.
    pub fn read(file: &[u8], name: &str, options: &BootOptions) -> Result<Self, ImageError> {
        let fail = |error| ImageError {
            name: name.to_owned(),
            reason: ImageErrorReason::Unified(error),
        };
        Ok(
            match Unified::of(file, &FileKind::of(file)).map_err(fail)? {
                None => Self::default(),
                Some(Unified::Linux(linux)) => Self::of_linux(&linux, options),
                Some(Unified::Xen(xen)) => Self::of_xen(&xen, options).map_err(fail)?,
            },
        )
    }

    fn of_linux(linux: &UnifiedLinux<'_>, options: &BootOptions) -> Self {
        let mut options = options.modules.iter();
        let given = options.any(|module| module.kind == ModuleKind::Initrd);
        // microcode is not what an initrd replaces
        let (initrd, replaced): (Vec<_>, Vec<_>) = linux
            .initrd
            .iter()
            .partition(|part| !given || part.name == ".ucode");
        let mut notes = Vec::new();
        if let Some(first) = linux.profiles.first() {
            notes.push(EmbeddedNote::Profile {
                count: linux.profiles.len(),
                first: (*first).to_owned(),
            });
        }
        let kernel = [(".linux", linux.kernel.len())];
        notes.push(EmbeddedNote::taken(kernel, &initrd));
        notes.extend(EmbeddedNote::replaced("--initrd", &replaced));
        Self {
            line: linux.cmdline.clone().map(|line| EmbeddedLine {
                from: ".cmdline",
                line,
            }),
            modules: Vec::new(),
            initrd: initrd.into_iter().map(module).collect(),
            notes,
        }
    }

    fn of_xen(
        xen: &UnifiedXen<'_>,
        options: &BootOptions,
    ) -> Result<Self, crate::image::unified::UnifiedError> {
        if let Some(module) = options.modules.first() {
            // the index of the microcode is that of other modules
            let line = xen.config.options.clone();
            let parts: Vec<_> = xen.parts().iter().collect();
            return Ok(Self {
                line: line.map(EmbeddedLine::of_config),
                notes: EmbeddedNote::replaced(module.kind.option(), &parts)
                    .into_iter()
                    .collect(),
                ..Self::default()
            });
        }
        let modules: Vec<_> = xen.modules()?.iter().collect();
        let line = Some(xen.cmdline()).filter(|line| !line.is_empty());
        Ok(Self {
            line: line.map(EmbeddedLine::of_config),
            notes: vec![EmbeddedNote::taken([], &modules)],
            modules: modules.into_iter().map(module).collect(),
            initrd: Vec::new(),
        })
    }
}

impl EmbeddedLine {
    const fn of_config(line: String) -> Self {
        Self {
            from: ".config",
            line,
        }
    }
}

impl EmbeddedNote {
    fn taken(
        first: impl IntoIterator<Item = (&'static str, usize)>,
        parts: &[&UnifiedPart<'_>],
    ) -> Self {
        let parts = parts.iter().map(|part| (part.name, part.data.len()));
        Self::Taken(first.into_iter().chain(parts).collect())
    }

    fn replaced(option: &'static str, parts: &[&UnifiedPart<'_>]) -> Option<Self> {
        let sections: Vec<_> = parts.iter().map(|part| part.name).collect();
        (!sections.is_empty()).then_some(Self::Replaced { option, sections })
    }
}

fn module(part: &UnifiedPart<'_>) -> Module {
    Module {
        name: part.name.to_owned(),
        cmdline: part.args.clone(),
        data: part.data.to_vec().into(),
    }
}

impl fmt::Display for EmbeddedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(parts) => {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|(name, len)| format!("{name} ({len} bytes)"))
                    .collect();
                write!(f, "unified image: uses {}", parts.join(", "))
            }
            Self::Profile { count, first } => {
                let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
                write!(f, "unified image: uses profile 0 of {count} ({first})")
            }
            Self::Replaced { option, sections } => write!(
                f,
                "unified image: {} not used, replaced by {option}",
                sections.join(", ")
            ),
        }
    }
}

#[cfg(test)]
#[path = "embedded_tests.rs"]
mod tests;
