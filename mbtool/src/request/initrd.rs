//! Several `--initrd`, joined to the one that an image takes.

use crate::image::cpio::EarlyCpio;
use crate::plan::InitrdPart;
use std::fmt;

/// Alignment of each part, in bytes: that of an entry of cpio.
const ALIGN: usize = 4;

/// The parts in one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinedInitrd {
    /// The bytes.
    pub data: Vec<u8>,
    /// Its parts, in order; empty for a single file.
    pub parts: Vec<InitrdPart>,
    /// Notes for stderr.
    pub notes: Vec<InitrdNote>,
}

/// What is worth to know about a joined initrd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InitrdNote {
    /// The order of the parts.
    Joined(Vec<InitrdPart>),
    /// A part was moved to the front.
    Moved(String),
    /// A part has microcode or ACPI tables that the kernel does not find.
    NotFound(String),
}

/// Joins files, each with its name: in their order, each padded to 4 bytes. A file that has only microcode or ACPI tables
/// for the early boot goes to the front: a kernel reads those from the uncompressed archives at the start.
#[must_use]
pub fn join(mut files: Vec<(String, Vec<u8>)>) -> JoinedInitrd {
    if files.len() < 2 {
        let data = files.pop().map(|(_, data)| data).unwrap_or_default();
        return JoinedInitrd {
            data,
            ..JoinedInitrd::default()
        };
    }
    let mut all: Vec<_> = files
        .into_iter()
        .map(|(name, data)| (name, EarlyCpio::of(&data), data))
        .collect();
    let alone = |early: &Option<EarlyCpio>| early.is_some_and(|early| early.alone);
    let mut notes = Vec::new();
    // those at the start are where they belong
    let at_start = all.iter().take_while(|(_, early, _)| alone(early)).count();
    for (index, (name, early, _)) in all.iter().enumerate().skip(at_start) {
        match early {
            Some(EarlyCpio { alone: true }) => notes.push(InitrdNote::Moved(name.clone())),
            Some(EarlyCpio { alone: false }) if index > at_start => {
                notes.push(InitrdNote::NotFound(name.clone()));
            }
            _ => {}
        }
    }
    all.sort_by_key(|(_, early, _)| !alone(early));
    let size = all.iter().map(|(.., bytes)| bytes.len() + ALIGN).sum();
    let (mut data, mut parts) = (Vec::with_capacity(size), Vec::new());
    for (name, early, bytes) in all {
        data.resize(data.len().next_multiple_of(ALIGN), 0);
        parts.push(InitrdPart {
            name,
            offset: data.len() as u64,
            bytes: bytes.len() as u64,
            early: early.is_some(),
        });
        data.extend(bytes);
    }
    notes.insert(0, InitrdNote::Joined(parts.clone()));
    JoinedInitrd { data, parts, notes }
}

impl fmt::Display for InitrdNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined(parts) => {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|part| {
                        format!("{} ({} bytes at {:#x})", part.name, part.bytes, part.offset)
                    })
                    .collect();
                write!(f, "initrd: joined from {}", parts.join(", "))
            }
            Self::Moved(name) => write!(
                f,
                "initrd: {name} has microcode or ACPI tables for the early boot and goes to the front, where the kernel \
                 looks for them"
            ),
            Self::NotFound(name) => write!(
                f,
                "warning: initrd: the microcode or ACPI tables in {name} are not at the start, so the kernel does not \
                 find them; give {name} as the first --initrd"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::cpio::testing::cpio;

    fn part(name: &str, offset: u64, bytes: &[u8], early: bool) -> InitrdPart {
        InitrdPart {
            name: name.to_owned(),
            offset,
            bytes: bytes.len() as u64,
            early,
        }
    }

    fn joined(files: &[(&str, &[u8])]) -> JoinedInitrd {
        let files = files.iter();
        join(
            files
                .map(|(name, data)| ((*name).to_owned(), data.to_vec()))
                .collect(),
        )
    }

    #[test]
    fn parts_keep_their_order_and_are_aligned() {
        let (a, b) = (&[1; 5][..], &[2; 8][..]);
        let found = joined(&[("a", a), ("b", b), ("c", a)]);
        let parts = vec![
            part("a", 0, a, false),
            part("b", 8, b, false),
            part("c", 16, a, false),
        ];
        assert_eq!(found.data, [a, &[0; 3], b, a].concat());
        assert_eq!(found.notes, [InitrdNote::Joined(parts.clone())]);
        assert_eq!(found.parts, parts);
    }

    #[test]
    fn one_file_is_passed_on_as_it_is() {
        let early = cpio(&[("kernel/x86/microcode/x.bin", &[1; 3])]);
        for data in [&early[..], &[7; 3]] {
            let expected = JoinedInitrd {
                data: data.to_vec(),
                ..JoinedInitrd::default()
            };
            assert_eq!(joined(&[("a", data)]), expected);
        }
        assert_eq!(joined(&[]), JoinedInitrd::default());
    }

    #[test]
    fn microcode_comes_first() {
        let ucode = cpio(&[("kernel/x86/microcode/AuthenticAMD.bin", &[1; 30])]);
        let main = b"\x1f\x8b\x08\0 compressed".to_vec();
        let found = joined(&[("main", &main), ("ucode", &ucode)]);
        assert_eq!(found.data, [&ucode[..], &main].concat());
        let len = ucode.len() as u64;
        let parts = vec![
            part("ucode", 0, &ucode, true),
            part("main", len, &main, false),
        ];
        let moved = InitrdNote::Moved("ucode".to_owned());
        assert_eq!(found.notes, [InitrdNote::Joined(parts.clone()), moved]);
        assert_eq!(found.parts, parts);
        // where it belongs already
        let found = joined(&[("ucode", &ucode), ("main", &main)]);
        assert_eq!(found.notes, [InitrdNote::Joined(parts)]);
    }

    /// A whole initrd of a distribution is not moved: later files replace those of earlier ones.
    #[test]
    fn microcode_in_front_of_other_files_stays_with_them() {
        let ucode = cpio(&[("kernel/x86/microcode/AuthenticAMD.bin", &[1; 30])]);
        let whole = [&ucode[..], b"\x1f\x8b\x08\0 compressed"].concat();
        let other = cpio(&[("etc/hostname", b"x")]);
        let names = |found: &JoinedInitrd| -> Vec<String> {
            found.parts.iter().map(|part| part.name.clone()).collect()
        };
        let found = joined(&[("whole", &whole), ("other", &other)]);
        assert_eq!(
            (names(&found), found.notes.len()),
            (vec!["whole".to_owned(), "other".to_owned()], 1)
        );
        let found = joined(&[("other", &other), ("whole", &whole)]);
        assert_eq!(names(&found), ["other", "whole"]);
        assert_eq!(found.notes[1..], [InitrdNote::NotFound("whole".to_owned())]);
    }
}
