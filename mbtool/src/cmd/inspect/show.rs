//! Text format of the report.

use super::needs::information_list;
use super::{EntrySource, FilePart, InspectReport, InspectedImage, NoteReport, TagReport};
use crate::abi::boot_params::XLoadFlags;
use crate::image::Format;
use crate::image::linux::{IMAGE_ALIGN, Setup};
use std::fmt::{self, Display, Formatter};

impl Display for InspectReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = &self.file.description;
        let title = kind.strip_prefix("a ").or(kind.strip_prefix("an "));
        write!(f, "{}: {}", self.name, title.unwrap_or(kind))?;
        if let Some(release) = self.linux.as_ref().and_then(Setup::release) {
            write!(f, ", Linux {release}")?;
        }
        if let Some(xen) = &self.xen {
            let version = xen.version.as_deref().unwrap_or("of unknown version");
            write!(f, ", Xen {version}")?;
        }
        writeln!(f)?;
        let packed: Vec<_> = self.compression.iter().map(|layer| layer.name()).collect();
        let packed = if packed.is_empty() {
            "none".into()
        } else {
            packed.join(" in ")
        };
        if let Some(machine) = self.file.machine {
            line(f, "machine", machine)?;
        }
        line(f, "compression", packed)?;
        line(f, "size", format_args!("{} bytes unpacked", self.size))?;
        if !self.file.parts.is_empty() {
            writeln!(f, "parts")?;
        }
        for part in &self.file.parts {
            write!(f, "  {part}")?;
        }
        if let Some(problem) = &self.problem {
            line(f, "not loadable", problem)?;
        }
        if let Some(header) = &self.header {
            let place = format_args!("{:#x} bytes at offset {:#x}", header.length, header.offset);
            line(f, "header", place)?;
            for tag in &header.tags {
                writeln!(f, "  {tag}")?;
            }
        }
        if let Some(header) = &self.multiboot1 {
            let place = format_args!("flags {:#x} at offset {:#x}", header.flags, header.offset);
            line(f, "multiboot 1", place)?;
            if let Some(address) = &header.address {
                writeln!(
                    f,
                    "  header_addr {:#x}, load_addr {:#x}, load_end_addr {:#x}, bss_end_addr \
                     {:#x}, entry_addr {:#x}",
                    address.header_addr,
                    address.load_addr,
                    address.load_end_addr,
                    address.bss_end_addr,
                    address.entry_addr
                )?;
            }
        }
        if let Some(linux) = &self.linux {
            setup(f, linux)?;
        }
        if let Some(image) = &self.image {
            image.fmt(f)?;
        }
        list(f, "needs", &self.needs)?;
        list(f, "warnings", &self.warnings)
    }
}

/// Formats Linux's setup header.
fn setup(f: &mut Formatter<'_>, setup: &Setup) -> fmt::Result {
    if let Some(version) = &setup.kernel_version {
        line(f, "version", version)?;
    }
    if !setup.bzimage {
        return line(
            f,
            "boot protocol",
            "64-bit, without the decompressor: not randomized",
        );
    }
    line(f, "boot protocol", setup.protocol())?;
    let memory = format_args!(
        "{:#x} bytes to unpack in, wanted at {:#x}, aligned to {:#x}",
        setup.init_size, setup.pref_address, setup.alignment
    );
    line(f, "memory", memory)?;
    match setup.initrd_end() {
        u64::MAX => line(f, "initrd", "anywhere")?,
        end => line(f, "initrd", format_args!("below {end:#x}"))?,
    }
    let cmdline = format_args!("up to {} bytes", setup.cmdline_size);
    line(f, "command line", cmdline)?;
    if let Some(payload) = setup.payload {
        let payload = format_args!("{:#x} bytes at {:#x}", payload.length, payload.offset);
        line(f, "payload", payload)?;
    }
    let known = [
        (
            XLoadFlags::EFI_KEXEC,
            "can take over EFI from another kernel",
        ),
        (
            XLoadFlags::FIVE_LEVEL,
            "supports five levels of page tables",
        ),
    ];
    let flags: Vec<&str> = known
        .iter()
        .filter(|(flag, _)| setup.can(*flag))
        .map(|(_, text)| *text)
        .collect();
    line(
        f,
        "flags",
        format_args!("{:#06x}: {}", setup.xloadflags, flags.join(", ")),
    )
}

fn line(f: &mut Formatter<'_>, key: &str, value: impl Display) -> fmt::Result {
    writeln!(f, "{key:<14}{value}")
}

fn list(f: &mut Formatter<'_>, key: &str, items: &[String]) -> fmt::Result {
    if !items.is_empty() {
        writeln!(f, "{key}")?;
    }
    items.iter().try_for_each(|item| writeln!(f, "  {item}"))
}

impl Display for FilePart {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.bytes {
            Some(bytes) => writeln!(f, "{:<9} {bytes} bytes", self.name)?,
            None => writeln!(f, "{:<9} cut short", self.name)?,
        }
        let lines = self.text.iter().flat_map(|text| text.lines());
        for line in lines {
            // control characters of a file must not reach the terminal
            let line: String = line.chars().filter(|c| !c.is_control()).collect();
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

impl Display for TagReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let required = if self.required {
            "required"
        } else {
            "optional"
        };
        write!(
            f,
            "{:#06x}  {required}  {:>2} {}",
            self.offset, self.kind, self.name
        )?;
        if !self.requests.is_empty() {
            write!(f, ": {}", information_list(self.requests.iter().copied()))?;
        }
        for (index, (name, value)) in self.fields.iter().enumerate() {
            let before = if index == 0 { ": " } else { ", " };
            write!(f, "{before}{name} {value:#x}")?;
        }
        Ok(())
    }
}

impl Display for InspectedImage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let format = match self.format {
            Format::Elf32 => "ELF32",
            Format::Elf64 => "ELF64",
            Format::Flat => "flat, by addresses in its header",
            Format::Pe => "PE, by its sections",
            Format::BzImage => "bzImage, protected-mode part",
            Format::Image => "Linux Image",
            Format::ZImage => "Linux zImage",
        };
        line(f, "format", format)?;
        writeln!(f, "segments      {:#x}-{:#x} in all", self.start, self.end)?;
        for segment in &self.segments {
            let zeros = segment.end - segment.start - segment.file_bytes;
            writeln!(
                f,
                "  {:#x}-{:#x}  {:#x} bytes from the file, {zeros:#x} zeros",
                segment.start, segment.end, segment.file_bytes
            )?;
        }
        let entry = &self.entry;
        let linked = match entry.linked {
            Some(linked) if linked != entry.physical => format!("; ELF header: {linked:#x}"),
            _ => String::new(),
        };
        let text = format_args!(
            "{:#x} physical, from the {}{linked}",
            entry.physical, entry.source
        );
        line(f, "entry", text)?;
        line(f, "relocatable", self.movable())?;
        if self.sections != 0 {
            line(f, "sections", self.sections)?;
        }
        if !self.notes.is_empty() {
            writeln!(f, "notes")?;
        }
        self.notes
            .iter()
            .try_for_each(|note| writeln!(f, "  {note}"))
    }
}

impl InspectedImage {
    fn movable(&self) -> String {
        let relocs = self.relocatable.relocations;
        if self.linux || self.format == Format::Image {
            return match self.relocatable.tag {
                Some(tag) => format!("yes, from {:#x} on, aligned to {:#x}", tag.min, tag.align),
                None if self.relocatable.position_independent => {
                    format!("yes, to any multiple of {IMAGE_ALIGN:#x}")
                }
                None => "no".into(),
            };
        }
        match (self.relocatable.tag, self.relocatable.position_independent) {
            (Some(_), false) => match self.entry.source {
                EntrySource::PvhNote => "yes, by its PVH notes".into(),
                _ => "yes, by tag 10".into(),
            },
            (Some(_), true) => format!("yes, by tag 10, with {relocs} relocations to apply"),
            (None, true) => format!("yes, ET_DYN with {relocs} relocations to apply"),
            (None, false) => "no".into(),
        }
    }
}

impl Display for NoteReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let meaning = self
            .meaning
            .map(|meaning| format!(" ({meaning})"))
            .unwrap_or_default();
        write!(f, "{} {}{meaning}: {}", self.name, self.kind, self.desc)
    }
}
