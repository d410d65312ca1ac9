//! A unified Xen image: xen.efi with dom0's files.

use super::config::XenEfiConfig;
use super::{PeHeaders, UnifiedError, UnifiedPart, data, text};
use xen_shim::cmdline::{Cmdline, Syntax};

/// xen.efi with files in sections.
#[derive(Clone, Debug)]
pub struct UnifiedXen<'a> {
    /// Its configuration; empty without the section.
    pub config: XenEfiConfig,
    /// `.kernel`, `.ramdisk`, `.xsm` and `.ucode`, as far as it has them, in the order of modules.
    parts: Vec<UnifiedPart<'a>>,
}

impl<'a> UnifiedXen<'a> {
    pub(super) fn read(headers: &PeHeaders<'a>) -> Result<Self, UnifiedError> {
        let find = |name: &'static str| {
            let section = headers.section(name);
            section.map(|section| data(section, name)).transpose()
        };
        let config = find(".config")?;
        let config = config.map(|config| text(config, ".config")).transpose()?;
        let config = XenEfiConfig::parse(config.unwrap_or_default());
        let mut parts = Vec::new();
        for name in [".kernel", ".ramdisk", ".xsm", ".ucode"] {
            let args = match &config.kernel {
                Some((_, args)) if name == ".kernel" => args.clone(),
                _ => String::new(),
            };
            if let Some(data) = find(name)? {
                parts.push(UnifiedPart { name, args, data });
            }
        }
        Ok(Self { config, parts })
    }

    /// The files that it has, in the order of modules.
    #[must_use]
    pub fn parts(&self) -> &[UnifiedPart<'a>] {
        &self.parts
    }

    /// The modules: dom0's kernel, its initrd, the policy, microcode.
    ///
    /// # Errors
    ///
    /// When the configuration names files that are not in the image, or there is no kernel.
    pub fn modules(&self) -> Result<&[UnifiedPart<'a>], UnifiedError> {
        let config = &self.config;
        let kernel = config.kernel.as_ref().map(|(file, _)| file);
        for (key, section, file) in [
            ("kernel", ".kernel", kernel),
            ("ramdisk", ".ramdisk", config.ramdisk.as_ref()),
            ("xsm", ".xsm", config.xsm.as_ref()),
            ("ucode", ".ucode", config.ucode.as_ref()),
        ] {
            if let Some(file) = file
                && self.index(section).is_none()
            {
                let file = file.clone();
                return Err(UnifiedError::NotInside { key, file, section });
            }
        }
        match self.index(".kernel") {
            Some(_) => Ok(&self.parts),
            None => Err(UnifiedError::NoKernel),
        }
    }

    /// Xen's command line for these modules: `options` of its configuration, and the index of the microcode, which Xen
    /// knows by itself only when firmware starts it.
    #[must_use]
    pub fn cmdline(&self) -> String {
        let options = self.config.options.as_deref().unwrap_or_default();
        let mut line = Cmdline::parse(options, Syntax::Xen);
        if let Some(index) = self.index(".ucode")
            && !line.has("ucode")
        {
            line.append(format!("ucode={index}"));
        }
        line.to_string()
    }

    fn index(&self, section: &str) -> Option<usize> {
        self.parts.iter().position(|part| part.name == section)
    }
}
