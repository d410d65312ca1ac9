//! The running kernel's configuration.

use crate::decompress::decompress;
use crate::sys::file;
use std::path::Path;

/// The configuration, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelConfig {
    lines: String,
    /// The file.
    pub path: String,
}

impl KernelConfig {
    /// Reads it below `root`: /proc/config.gz, else what distributions install for `release`.
    #[must_use]
    pub fn read(root: &Path, release: &str) -> Option<Self> {
        let paths = [
            "proc/config.gz".to_owned(),
            format!("boot/config-{release}"),
            format!("lib/modules/{release}/config"),
            format!("usr/lib/modules/{release}/config"),
        ];
        paths.into_iter().find_map(|path| {
            let bytes = file::read_bytes(&root.join(&path), file::LISTING).ok()?;
            let plain = decompress(bytes, &path).ok()?;
            Some(Self {
                lines: String::from_utf8_lossy(&plain.bytes).into_owned(),
                path: format!("/{path}"),
            })
        })
    }

    /// Returns true for an option that is built in.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.lines
            .lines()
            .any(|line| line.strip_prefix(option) == Some("=y"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::put;

    #[test]
    fn options_are_whole_names() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(KernelConfig::read(root.path(), "6.12"), None);
        let text = "CONFIG_KEXEC=y\n# CONFIG_KEXEC_FILE is not set\nCONFIG_KVM=m\n";
        put(root.path(), "boot/config-6.12", text);
        let config = KernelConfig::read(root.path(), "6.12").unwrap();
        assert_eq!(config.path, "/boot/config-6.12");
        assert!(config.has("CONFIG_KEXEC"));
        for absent in ["CONFIG_KEXE", "CONFIG_KEXEC_FILE", "CONFIG_KVM"] {
            assert!(!config.has(absent), "{absent}");
        }
    }
}
