//! The configuration of xen.efi: sections with `key=value` lines.

/// Section whose values are for all others.
const GLOBAL: &str = "global";

/// Values of a configuration, of the section that its `default=` names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XenEfiConfig {
    /// `options`: Xen's command line.
    pub options: Option<String>,
    /// `kernel`: dom0's kernel and its arguments.
    pub kernel: Option<(String, String)>,
    /// `ramdisk`: its initrd.
    pub ramdisk: Option<String>,
    /// `xsm`: a policy.
    pub xsm: Option<String>,
    /// `ucode`: microcode.
    pub ucode: Option<String>,
}

impl XenEfiConfig {
    /// Reads the text of a configuration. Without `default=` the first line of each key counts, whatever its section;
    /// with it that of the section, else that of `[global]`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let lines: Vec<_> = lines(text).collect();
        let find = |section: Option<&str>, key: &str| {
            let mut lines = lines.iter().copied();
            lines.find_map(|(own, name, value)| {
                let fits = name == key && section.is_none_or(|section| own == section);
                fits.then(|| value.to_owned())
            })
        };
        let section = find(Some(GLOBAL), "default");
        let get = |key: &str| {
            let section = section.as_deref();
            let own = find(section, key);
            own.or_else(|| find(Some(GLOBAL), key))
        };
        Self {
            options: get("options"),
            kernel: get("kernel").map(|value| {
                let (file, args) = value
                    .split_once(char::is_whitespace)
                    .unwrap_or((&value, ""));
                (file.to_owned(), args.trim().to_owned())
            }),
            ramdisk: get("ramdisk"),
            xsm: get("xsm"),
            ucode: get("ucode"),
        }
    }
}

/// The lines with values: section, key, value.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut section = "";
    text.split(['\n', '\r', '\0']).filter_map(move |line| {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            return None;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = name.split(']').next().unwrap_or_default().trim();
            return None;
        }
        let (key, value) = line.split_once('=')?;
        Some((section, key.trim_end(), value.trim_start()))
    })
}
