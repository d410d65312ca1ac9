//! "newc" cpio archives, of which an initramfs is made (Linux,
//! Documentation/driver-api/early-userspace/buffer-format.rst).

/// Magic numbers without and with checksums.
const MAGICS: [&[u8]; 2] = [b"070701", b"070702"];
/// Size of an entry header without the name, in bytes.
const HEADER: usize = 110;
/// Name of the entry that ends an archive.
const LAST: &[u8] = b"TRAILER!!!\0";
/// Directories of files that Linux reads before it unpacks anything, from uncompressed archives at the start.
const EARLY: [&[u8]; 2] = [b"kernel/x86/microcode/", b"kernel/firmware/acpi/"];

/// A file in an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpioEntry<'a> {
    /// Its name, with the NUL that ends it.
    pub name: &'a [u8],
    /// Its length in bytes.
    pub len: usize,
}

/// True for the start of an archive.
#[must_use]
pub fn is_archive(bytes: &[u8]) -> bool {
    MAGICS.iter().any(|magic| bytes.starts_with(magic))
}

/// Passes the files of the archive at the start of `bytes` to `each`, and returns the data after it; `None` when it is
/// not an archive, or damaged.
pub fn archive<'a>(bytes: &'a [u8], mut each: impl FnMut(CpioEntry<'a>)) -> Option<&'a [u8]> {
    let mut at = 0_usize;
    loop {
        let header = bytes.get(at..at.checked_add(HEADER)?)?;
        if !is_archive(header) {
            return None;
        }
        let len = field(header, 54)?;
        let name_len = field(header, 94)?;
        let name_at = at + HEADER;
        let name = bytes.get(name_at..name_at.checked_add(name_len)?)?;
        let data = name_at.checked_add(name_len)?.checked_next_multiple_of(4)?;
        let end = data.checked_add(len)?;
        if name == LAST {
            return Some(bytes.get(end..).unwrap_or_default());
        }
        bytes.get(data..end)?;
        each(CpioEntry { name, len });
        at = end.checked_next_multiple_of(4)?;
    }
}

/// Parses a field of eight hexadecimal digits.
fn field(header: &[u8], at: usize) -> Option<usize> {
    let digits = header.get(at..at.checked_add(8)?)?;
    let plain = digits.iter().all(u8::is_ascii_hexdigit);
    let text = str::from_utf8(digits).ok().filter(|_| plain)?;
    usize::from_str_radix(text, 16).ok()
}

/// Returns `bytes` after the zeros at their start. Compares whole blocks first: hundreds of megabytes of zeros take
/// seconds byte by byte in a debug build.
#[must_use]
pub fn without_zeros(mut bytes: &[u8]) -> &[u8] {
    const BLOCK: [u8; 4096] = [0; 4096];
    while let Some(rest) = bytes.strip_prefix(&BLOCK) {
        bytes = rest;
    }
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

/// Files for the early boot (microcode, ACPI tables) in the uncompressed archives that a file begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EarlyCpio {
    /// The file has nothing else.
    pub alone: bool,
}

impl EarlyCpio {
    /// Finds them.
    #[must_use]
    pub fn of(file: &[u8]) -> Option<Self> {
        let (mut rest, mut found, mut others) = (file, false, false);
        while let Some(after) = archive(rest, |entry| {
            match EARLY.iter().any(|dir| entry.name.starts_with(dir)) {
                true => found = true,
                // the directories on the way are files, too
                false => others |= !EARLY.iter().any(|dir| is_parent(entry.name, dir)),
            }
        }) {
            rest = without_zeros(after);
        }
        found.then_some(Self {
            alone: rest.is_empty() && !others,
        })
    }
}

/// True for a directory above `dir`, or itself, and for ".".
fn is_parent(name: &[u8], dir: &[u8]) -> bool {
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    let rest = dir.strip_prefix(name);
    name == b"." || rest.is_some_and(|rest| rest.starts_with(b"/"))
}

#[cfg(test)]
pub(crate) mod testing {
    /// An archive of these files.
    pub fn cpio(files: &[(&str, &[u8])]) -> Vec<u8> {
        let last: (&str, &[u8]) = ("TRAILER!!!", &[]);
        let mut out = vec![];
        for (name, data) in files.iter().chain([&last]) {
            let name = format!("{name}\0");
            out.extend(b"070701");
            for at in 0..13 {
                let value = match at {
                    6 => data.len(),
                    11 => name.len(),
                    _ => 0,
                };
                out.extend(format!("{value:08X}").bytes());
            }
            out.extend(name.bytes());
            out.resize(out.len().next_multiple_of(4), 0);
            out.extend(*data);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::testing::cpio;
    use super::*;

    #[test]
    fn files_for_the_early_boot_are_found_by_their_directories() {
        let microcode: (&str, &[u8]) = ("kernel/x86/microcode/GenuineIntel.bin", &[1; 10]);
        let early = cpio(&[
            (".", &[]),
            ("kernel", &[]),
            ("kernel/x86", &[]),
            ("kernel/x86/microcode", &[]),
            microcode,
        ]);
        let alone = Some(EarlyCpio { alone: true });
        let mixed = Some(EarlyCpio { alone: false });
        assert_eq!(EarlyCpio::of(&early), alone);
        assert_eq!(EarlyCpio::of(&[&early[..], &[0; 5000]].concat()), alone);
        let acpi = cpio(&[("kernel/firmware/acpi/dsdt.aml", &[2; 100])]);
        assert_eq!(EarlyCpio::of(&acpi), alone);
        assert_eq!(EarlyCpio::of(&[&early[..], &[0; 3], &acpi].concat()), alone);
        let main = cpio(&[("init", &[3; 50])]);
        assert_eq!(EarlyCpio::of(&main), None);
        assert_eq!(EarlyCpio::of(&[&early[..], &main].concat()), mixed);
        assert_eq!(
            EarlyCpio::of(&[&early[..], b"\x1f\x8b\x08\0"].concat()),
            mixed
        );
        assert_eq!(EarlyCpio::of(&cpio(&[microcode, ("init", &[])])), mixed);
        // compressed data comes first: Linux does not look behind it
        assert_eq!(
            EarlyCpio::of(&[b"\x1f\x8b\x08\0", &early[..]].concat()),
            None
        );
        for len in 0..early.len() {
            let _ = EarlyCpio::of(early.get(..len).unwrap_or_default());
        }
    }
}
