//! `mbtool crash size`: the `crashkernel=` size for an image, and how to set it
//! in the boot loader of this machine.

use crate::config::PATH;
use crate::host::{self, Host, map, replay};
use crate::input;
use crate::plan::crash::region::{self, RegionError};
use crate::plan::crash::size::Part;
use crate::plan::hex::HexRange;
use crate::plan::{self, Advice, PlanError, Request};
use crate::request::configured::{self, ParseOptions};
use crate::request::decide::ANYWHERE;
use crate::request::prepare::prepare;
use crate::request::{BootOptions, Files};
use crate::setup::BootLoader;
use crate::setup::boot_loader::{self, BootLoaderStep};
use crate::sys::output::{DataOutput, Messages};
use crate::sys::size::Size as Bytes;
use anyhow::Context;
use handoff::addr::{FOUR_GIB, MIB, PhysRange};
use serde::Serialize;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

/// Maximum size of a recorded machine, in bytes.
const MAP_LIMIT: u64 = 16 << 20;

/// Options of the command line.
#[derive(Clone, Debug)]
pub struct CrashSizeOptions {
    /// The image with its boot options; `None`: that of the configuration.
    pub boot: Option<BootOptions>,
    /// Parser for `load.options` of the configuration.
    pub parse: ParseOptions,
    /// File of another machine.
    pub memory_map: Option<PathBuf>,
    /// Print a JSON document instead of text.
    pub json: bool,
}

/// Document of `--json`; see docs/crash-size-json.md.
#[derive(Clone, Debug, Serialize)]
pub struct CrashSizeReport {
    /// Size to reserve, in bytes.
    pub bytes: u64,
    /// Kernel parameter: `crashkernel=512M`.
    pub word: String,
    /// Command line for it: "linux" or "xen".
    pub goes_to: &'static str,
    /// Parts of the size, in bytes.
    pub parts: Vec<Part>,
    /// Size of the unpacked initrd in bytes.
    pub initrd_unpacked: u64,
    /// False when this machine has no range of memory of that size where the region may be: on x86_64 below 4 GiB.
    pub fits: bool,
    /// The current reservation.
    pub reserved: Reserved,
    /// Boot loader of this machine; absent for another machine.
    pub boot_loader: Option<Loader>,
    #[serde(skip)]
    xen: bool,
    #[serde(skip)]
    below: &'static str,
    #[serde(skip)]
    within: &'static str,
    #[serde(skip)]
    whose: &'static str,
}

/// The current reservation, and whether it is sufficient.
#[derive(Clone, Debug, Serialize)]
pub struct Reserved {
    /// All reserved regions.
    pub regions: Vec<HexRange>,
    /// The region that this image would be loaded to.
    pub region: Option<HexRange>,
    /// True when it has the advised size and the image can be loaded.
    pub enough: bool,
    /// True when the image can be loaded.
    pub loads: bool,
    /// Explanation.
    pub why: String,
}

/// A boot loader with its steps.
#[derive(Clone, Debug, Serialize)]
pub struct Loader {
    /// Type of the boot loader.
    #[serde(flatten)]
    pub kind: boot_loader::BootLoaderKind,
    /// File that identifies it.
    pub found: Option<String>,
    /// Steps to set the parameter.
    pub steps: Vec<BootLoaderStep>,
    #[serde(skip)]
    title: &'static str,
}

/// Runs the verb on this machine.
///
/// # Errors
///
/// When options or files are invalid, or no address is possible for the image.
pub fn run(
    options: &CrashSizeOptions,
    out: &mut DataOutput,
    messages: &mut Messages,
) -> anyhow::Result<()> {
    let root = Path::new("/");
    let (host, warnings) = match &options.memory_map {
        Some(path) => {
            let host = replay::from_json(&input::read(path, MAP_LIMIT)?)
                .with_context(|| path.display().to_string())?;
            (host, Vec::new())
        }
        None => host::read(root)?,
    };
    for warning in warnings {
        messages.warn(warning);
    }
    let mut boot = match &options.boot {
        Some(boot) => boot.clone(),
        None => configured::read(Path::new(PATH), &host::release(), options.parse).context(
            "no image is named, and the configuration has none for which a size can be computed",
        )?,
    };
    boot.crash = true;
    let files = Files::read(&boot)?;
    let request = prepare(&boot, files, &host, Some(ANYWHERE))?.request;
    let size = CrashSizeReport::of(request, &host)?;
    let size = match options.memory_map {
        // the boot loader of another machine is unknown
        Some(_) => size,
        None => size.with_boot_loader(root),
    };
    if options.json {
        out.json(&size);
    } else {
        out.text(&size);
    }
    Ok(())
}

impl CrashSizeReport {
    fn of(request: Request, host: &Host) -> Result<Self, PlanError> {
        let Advice {
            reserve,
            estimate,
            files,
        } = plan::advice(&request, host)?;
        let end = host.arch.crash_region_end();
        let inside = |run: PhysRange| run.end.min(end).saturating_sub(run.start.max(MIB));
        let largest = map::ram_ranges(&host.memory_map).map(inside).max();
        Ok(Self {
            bytes: reserve.bytes,
            word: reserve.to_string(),
            goes_to: if reserve.xen { "xen" } else { "linux" },
            parts: estimate.parts,
            initrd_unpacked: files,
            fits: largest.is_some_and(|largest| largest >= reserve.bytes),
            reserved: Reserved::of(request, host, reserve.bytes),
            boot_loader: None,
            xen: reserve.xen,
            below: reserve.below(host.arch),
            within: if end > FOUR_GIB { "" } else { " below 4 GiB" },
            whose: reserve.whose(),
        })
    }

    fn with_boot_loader(mut self, root: &Path) -> Self {
        let xen = self.xen;
        let loader = BootLoader::detect(root, &host::release(), xen);
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
}

impl Display for CrashSizeReport {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}\n", self.word)?;
        writeln!(out, "Put it on {}. {}", self.whose, self.below)?;
        if !self.fits {
            let cure = match self.initrd_unpacked {
                0 => "",
                _ => ": a smaller initrd needs less",
            };
            writeln!(
                out,
                "This machine has no piece of memory{} that is as large{cure}.",
                self.within
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
                for BootLoaderStep { text, command } in steps {
                    writeln!(out, "  {}", command.as_ref().unwrap_or(text))?;
                }
                writeln!(out, "  reboot")?;
            }
            Some(_) => writeln!(out, "The boot loader of this machine is unknown to mbtool.")?,
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
        let region = match region::choose(host) {
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

/// Formats "512 MiB at 0x...-0x...".
fn place(region: PhysRange) -> String {
    format!("{} at {region}", Bytes::rounded_up(region.len()))
}

#[cfg(test)]
#[path = "size_tests.rs"]
mod tests;
