//! `mbtool crash size`: what `crashkernel=` must reserve for an image, and how
//! the boot loader of this machine is told.

use crate::cli::files::Files;
use crate::cli::raw::CommonArgs;
use crate::cli::request::{self, ModuleArg};
use crate::cmd::crash::load;
use crate::cmd::load::ANYWHERE;
use crate::config::PATH;
use crate::host::{Host, map, read, replay};
use crate::input;
use crate::plan::crash::region::{self, RegionError};
use crate::plan::crash::size::Part;
use crate::plan::hex::HexRange;
use crate::plan::{self, Advice, PlanError, Request};
use crate::setup::BootLoader;
use crate::setup::boot_loader::{self, Step};
use crate::sys::size::Size as Bytes;
use anyhow::{Context, ensure};
use handoff::addr::{FOUR_GIB, MIB, PhysRange};
use serde::Serialize;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Largest recorded machine, in bytes.
const MAP_LIMIT: u64 = 16 << 20;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The image, and how it is to be loaded.
    pub common: CommonArgs,
    /// Another machine than this one.
    pub memory_map: Option<PathBuf>,
    /// One JSON document instead of text.
    pub json: bool,
}

/// What `--json` prints; see docs/crash-size-json.md.
#[derive(Clone, Debug, Serialize)]
pub struct Size {
    /// To reserve, in bytes.
    pub bytes: u64,
    /// `crashkernel=512M`.
    pub word: String,
    /// Whose command line it belongs on: "linux" or "xen".
    pub goes_to: &'static str,
    /// What it is for, in bytes.
    pub parts: Vec<Part>,
    /// Bytes of the initrd's files once it is unpacked.
    pub initrd_unpacked: u64,
    /// False: this machine has no piece of memory below 4 GiB that is as large.
    pub fits: bool,
    /// What is reserved now.
    pub reserved: Reserved,
    /// What starts this machine; nothing for another machine.
    pub boot_loader: Option<Loader>,
    #[serde(skip)]
    below: &'static str,
    #[serde(skip)]
    whose: &'static str,
}

/// What is reserved, and what it is good for.
#[derive(Clone, Debug, Serialize)]
pub struct Reserved {
    /// All of it.
    pub regions: Vec<HexRange>,
    /// Where this image would go.
    pub region: Option<HexRange>,
    /// It is as large as advised, and the image loads there.
    pub enough: bool,
    /// The image loads there.
    pub loads: bool,
    /// The same in a sentence.
    pub why: String,
}

/// A boot loader, and what to do.
#[derive(Clone, Debug, Serialize)]
pub struct Loader {
    /// Which one.
    #[serde(flatten)]
    pub kind: boot_loader::Kind,
    /// The file that tells.
    pub found: Option<String>,
    /// What puts the word where it belongs.
    pub steps: Vec<Step>,
    #[serde(skip)]
    title: &'static str,
}

/// Runs the verb on this machine.
///
/// # Errors
///
/// What is wrong with the options or the files; an image that loads nowhere.
pub fn run(options: &Options, modules: &[ModuleArg], out: &mut dyn Write) -> anyhow::Result<()> {
    let root = Path::new("/");
    let (host, warnings) = match &options.memory_map {
        Some(path) => {
            let host = replay::from_json(&input::read(path, MAP_LIMIT)?)
                .with_context(|| path.display().to_string())?;
            (host, Vec::new())
        }
        None => read(root)?,
    };
    for warning in warnings {
        eprintln!("mbtool: warning: {warning}");
    }
    let (mut common, modules) = match options.common.image.as_os_str().is_empty() {
        true => configured(modules)?,
        false => (options.common.clone(), modules.to_vec()),
    };
    common.panic = true;
    let files = Files::read(&common, &modules)?;
    let request = request::prepare(&common, files, &host, Some(ANYWHERE))?.request;
    let size = Size::of(request, &host)?;
    let size = match options.memory_map {
        // another machine's boot loader is not known
        Some(_) => size,
        None => size.with_boot_loader(root),
    };
    if options.json {
        serde_json::to_writer_pretty(&mut *out, &size)?;
        writeln!(out)?;
    } else {
        size.write(out)?;
    }
    Ok(())
}

/// What `crash load` would load.
fn configured(modules: &[ModuleArg]) -> anyhow::Result<(CommonArgs, Vec<ModuleArg>)> {
    ensure!(
        modules.is_empty(),
        "modules of which image? Without one, the size is that of what {PATH} names"
    );
    let (args, modules) = load::configured(Path::new(PATH)).context(
        "no image is named, and the configuration has none for which a size can be told",
    )?;
    Ok((args.common, modules))
}

impl Size {
    fn of(request: Request, host: &Host) -> Result<Self, PlanError> {
        let Advice {
            reserve,
            estimate,
            files,
        } = plan::advice(&request, host)?;
        let below = |run: PhysRange| run.end.min(FOUR_GIB).saturating_sub(run.start.max(MIB));
        let largest = map::ram_ranges(&host.memory_map).map(below).max();
        Ok(Self {
            bytes: reserve.bytes,
            word: reserve.to_string(),
            goes_to: if reserve.xen { "xen" } else { "linux" },
            parts: estimate.parts,
            initrd_unpacked: files,
            fits: largest.is_some_and(|largest| largest >= reserve.bytes),
            reserved: Reserved::of(request, host, reserve.bytes),
            boot_loader: None,
            below: reserve.below(),
            whose: reserve.whose(),
        })
    }

    fn with_boot_loader(mut self, root: &Path) -> Self {
        let xen = self.goes_to == "xen";
        let name = rustix::system::uname();
        let loader = BootLoader::detect(root, &name.release().to_string_lossy(), xen);
        let reserve = crate::plan::crash::Reserve {
            bytes: self.bytes,
            xen,
        };
        self.boot_loader = Some(Loader {
            steps: loader.steps(reserve),
            title: loader.name(),
            found: (!loader.found.is_empty()).then(|| format!("/{}", loader.found)),
            kind: loader.kind,
        });
        self
    }

    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}\n", self.word)?;
        writeln!(out, "Put it on {}. {}", self.whose, self.below)?;
        if !self.fits {
            writeln!(
                out,
                "This machine has no piece of memory below 4 GiB that is as large: a smaller initrd \
                 needs less."
            )?;
        }
        match &self.boot_loader {
            Some(Loader {
                title,
                found: Some(found),
                steps,
                ..
            }) => {
                writeln!(out, "\n{title} ({found}), as root:")?;
                for Step { text, command } in steps {
                    writeln!(out, "  {}", command.as_ref().unwrap_or(text))?;
                }
                writeln!(out, "  reboot")?;
            }
            Some(_) => writeln!(
                out,
                "The boot loader of this machine is not known to mbtool."
            )?,
            None => {}
        }
        writeln!(out, "\nReserved now: {}", self.reserved.why)
    }
}

impl Reserved {
    fn of(mut request: Request, host: &Host, advised: u64) -> Self {
        let regions = host.crash_ranges().map(HexRange::from).collect();
        let no = |region: Option<PhysRange>, why| Self {
            regions,
            region: region.map(Into::into),
            enough: false,
            loads: false,
            why,
        };
        let region = match region::choose(&host.crash_regions, host.xen.is_some()) {
            Ok(region) => region,
            Err(RegionError::None { .. }) => return no(None, "nothing.".to_owned()),
            Err(RegionError::TooHigh { region, .. }) => {
                let why = format!(
                    "{}, which is above 4 GiB: no image loads there.",
                    place(region)
                );
                return no(Some(region), why);
            }
        };
        request.crash = Some(region);
        let at = place(region);
        if let Err(error) = plan::plan(&request, host) {
            let why = match error {
                PlanError::CrashRegionTooSmall { load, .. } => {
                    format!(
                        "{at}, which is too small: loading takes {}.",
                        Bytes::rounded_up(load)
                    )
                }
                other => format!("{at}, but the image does not load there: {other}"),
            };
            return no(Some(region), why);
        }
        let enough = region.len() >= advised;
        Self {
            enough,
            loads: true,
            why: match enough {
                true => format!("{at}, which is enough."),
                false => format!(
                    "{at}: the image loads there, but may have too little memory to run and to save \
                     a dump."
                ),
            },
            ..no(Some(region), String::new())
        }
    }
}

/// "512 MiB at 0x...-0x..."
fn place(region: PhysRange) -> String {
    format!("{} at {region}", Bytes::rounded_up(region.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{CrashRegion, Entry, Kind};
    use crate::image::synth::bzimage;
    use crate::image::{As, Image};
    use crate::plan::Module;

    fn request(initrd: usize) -> Request {
        let image = Image::parse_as(&bzimage(), "vmlinuz", As::Auto).unwrap();
        let mut request = Request::new(image);
        request.modules = vec![Module {
            name: "initrd".to_owned(),
            cmdline: String::new(),
            data: vec![0; initrd].into(),
        }];
        request
    }

    fn host(regions: &[(u64, u64)]) -> Host {
        let ram = |start, end| Entry {
            start,
            end,
            kind: Kind::Ram,
        };
        let region = |&(start, end): &(u64, u64)| CrashRegion {
            start: start * MIB,
            end: end * MIB,
        };
        Host {
            memory_map: vec![
                ram(0, 0x9_f000),
                ram(MIB, 1024 * MIB),
                ram(FOUR_GIB, 2 * FOUR_GIB),
            ],
            crash_regions: regions.iter().map(region).collect(),
            ..Host::default()
        }
    }

    fn text(size: &Size) -> String {
        let mut out = Vec::new();
        size.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_word_stands_first_and_what_is_reserved_last() {
        let advised = Size::of(request(5 << 20), &host(&[])).unwrap();
        let mib = advised.bytes / MIB;
        assert!((96..=128).contains(&mib), "{mib}");
        for (regions, why, loads, enough) in [
            (&[][..], "Reserved now: nothing.".to_owned(), false, false),
            (
                &[(256, 256 + mib)],
                format!("Reserved now: {mib} MiB at 0x10000000-"),
                true,
                true,
            ),
            (
                &[(256, 256 + mib - 1)],
                "may have too little memory".to_owned(),
                true,
                false,
            ),
            (
                &[(256, 264)],
                "8 MiB at 0x10000000-0x10800000, which is too small".to_owned(),
                false,
                false,
            ),
            (
                &[(256, 512), (4096, 4608)],
                "512 MiB at 0x100000000-0x120000000, which is above".to_owned(),
                false,
                false,
            ),
        ] {
            let size = Size::of(request(5 << 20), &host(regions)).unwrap();
            assert_eq!(size.bytes, advised.bytes);
            let said = text(&size);
            assert!(
                said.starts_with(&format!("crashkernel={mib}M\n\nPut it on the kernel's")),
                "{said}"
            );
            assert!(said.contains(&why), "{why}: {said}");
            let reserved = size.reserved;
            assert_eq!((reserved.loads, reserved.enough), (loads, enough));
            assert_eq!(reserved.regions.len(), regions.len());
        }
    }

    #[test]
    fn a_machine_without_such_memory_is_told() {
        let size = Size::of(request(500 << 20), &host(&[])).unwrap();
        assert!(!size.fits && text(&size).contains("no piece of memory below 4 GiB"));
    }

    #[test]
    fn the_document_has_what_is_documented() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("boot/grub")).unwrap();
        std::fs::write(root.path().join("boot/grub/grub.cfg"), "").unwrap();
        let size = Size::of(request(1 << 20), &host(&[(256, 264)])).unwrap();
        let size = size.with_boot_loader(root.path());
        assert!(text(&size).contains("\nGRUB (/boot/grub/grub.cfg), as root:\n  add the word"));
        let json = serde_json::to_value(&size).unwrap();
        let keys: Vec<&str> = json
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        let documented = include_str!("../../../../docs/crash-size-json.md");
        for key in &keys {
            assert!(documented.contains(&format!("`{key}`")), "{key}");
        }
        assert_eq!(json["reserved"]["regions"][0]["start"], "0x10000000");
        assert_eq!(json["boot_loader"]["name"], "grub-by-hand");
        assert_eq!(
            json["boot_loader"]["steps"][0]["command"],
            serde_json::Value::Null
        );
        assert_eq!(json["goes_to"], "linux");
        let unknown = tempfile::tempdir().unwrap();
        let size = size.with_boot_loader(unknown.path());
        assert!(text(&size).contains("is not known to mbtool"));
    }
}
