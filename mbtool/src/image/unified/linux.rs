//! A unified kernel image: the sections of a PE image that systemd-stub passes to Linux.

use super::{PeHeaders, PeSection, UnifiedError, UnifiedPart, before_nul, data, text};

/// Section that separates profiles.
const PROFILE: &str = ".profile";

/// A unified kernel image. With profiles it is profile 0, as systemd-stub takes it by default: the sections before the
/// first `.profile`, replaced by those between that and the second.
#[derive(Clone, Debug)]
pub struct UnifiedLinux<'a> {
    /// The kernel.
    pub kernel: &'a [u8],
    /// Initrd, microcode first.
    pub initrd: Vec<UnifiedPart<'a>>,
    /// Command line.
    pub cmdline: Option<String>,
    /// Profiles, each with the text that describes it; empty in an image without.
    pub profiles: Vec<&'a str>,
}

impl<'a> UnifiedLinux<'a> {
    pub(super) fn read(headers: &PeHeaders<'a>) -> Result<Self, UnifiedError> {
        let sections = Profile0::of(&headers.sections);
        let kernel = sections.data(".linux")?.unwrap_or_default();
        let mut initrd = Vec::new();
        for name in [".ucode", ".initrd"] {
            if let Some(data) = sections.data(name)?.filter(|data| !data.is_empty()) {
                let args = String::new();
                initrd.push(UnifiedPart { name, args, data });
            }
        }
        let cmdline = sections.data(".cmdline")?;
        let cmdline = cmdline
            .map(|line| text(before_nul(line), ".cmdline"))
            .transpose()?;
        let profiles = headers.sections.iter().filter(|one| one.name == PROFILE);
        let profiles = profiles.map(|section| text(before_nul(data(section, PROFILE)?), PROFILE));
        Ok(Self {
            kernel,
            initrd,
            cmdline: cmdline.map(|line| line.replace(char::is_control, " ").trim().to_owned()),
            profiles: profiles.collect::<Result<_, _>>()?,
        })
    }
}

/// The sections of profile 0.
struct Profile0<'s, 'a> {
    base: &'s [PeSection<'a>],
    own: &'s [PeSection<'a>],
}

impl<'s, 'a> Profile0<'s, 'a> {
    fn of(sections: &'s [PeSection<'a>]) -> Self {
        let mut groups = sections.split(|section| section.name == PROFILE);
        Self {
            base: groups.next().unwrap_or_default(),
            own: groups.next().unwrap_or_default(),
        }
    }

    fn data(&self, name: &'static str) -> Result<Option<&'a [u8]>, UnifiedError> {
        let mut all = self.own.iter().chain(self.base);
        let found = all.find(|section| section.name == name);
        found.map(|section| data(section, name)).transpose()
    }
}
