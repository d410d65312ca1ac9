//! From flags to a checked [`Request`]: files read and unpacked, consoles
//! resolved, options that do not go together refused.

use super::files::Files;
use super::raw::{CommonArgs, Drill, OnFault, Verify};
use super::values::FileWithArgs;
use super::{cmdline, console};
use crate::decompress::{Compression, decompress};
use crate::host::Host;
use crate::image::Protocol;
use crate::input;
use crate::plan::Request;
use anyhow::bail;
use handoff::addr::PhysRange;
use handoff::spec;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Largest file that is read, in bytes: what a 32-bit target can address.
pub const FILE_LIMIT: u64 = 4 << 30;

/// A module as typed, in the order typed.
#[derive(Clone, Debug)]
pub struct ModuleArg {
    /// The file and its arguments.
    pub file: FileWithArgs,
    /// False for `--module-raw` and `--initrd`.
    pub unpack: bool,
}

/// A request with what the user should be told about it.
#[derive(Debug)]
pub struct Prepared {
    /// For the planner.
    pub request: Request,
    /// Sentences for stderr.
    pub notes: Vec<String>,
    /// The segment to damage after planning (`--drill corrupt=NAME`).
    pub corrupt: Option<String>,
}

/// Checks the options against each other, and against the files.
///
/// # Errors
///
/// Names the file or the option.
pub fn prepare(
    args: &CommonArgs,
    files: Files,
    host: &Host,
    crash: Option<PhysRange>,
) -> anyhow::Result<Prepared> {
    let mut notes = Vec::new();
    let Files {
        image,
        has_multiboot2,
        layers,
        modules,
    } = files;
    if let Protocol::Linux(setup) = &image.protocol {
        let module = args.module.first().or(args.module_raw.first());
        if let Some(module) = module {
            bail!(
                "--module {}: {} is Linux, which takes no modules; an initrd is given with \
                 --initrd, the image's own arguments with --cmdline",
                module.path.display(),
                image.name
            );
        }
        if let Some(release) = setup.release() {
            notes.push(format!("{} is Linux {release}", image.name));
        }
    }
    let first = image
        .segments
        .first()
        .map_or(&[][..], |segment| &segment.data);
    let xen = xen_shim::recognise(first).is_some();
    if xen && matches!(image.protocol, Protocol::Pvh) {
        bail!(
            "--type elf: Xen's PVH entry is for running inside another Xen; leave --type out, and \
             it is started by its Multiboot2 header"
        );
    }
    if xen && image.protocol != Protocol::Multiboot2 && has_multiboot2 {
        bail!(
            "--type multiboot: Xen is started by its Multiboot2 header, leave --type out; by \
             Multiboot (1) it could only run at its link address and would not be told where it \
             may go (Xen 4.17 overwrites memory when it is moved all the same)"
        );
    }
    if crash.is_some() && xen && args.real_mode {
        bail!(
            "--real-mode: a Xen that asks the BIOS for its memory map takes all memory, and with it \
             what it is to save; leave --real-mode out"
        );
    }
    if let Some(layer) = layers.first() {
        notes.push(format!("{}: unpacked {layer}", image.name));
    }
    let cmdline = cmdline::make(args, &host.cmdline);
    let consoles = console::resolve(&args.console, host, &cmdline)?;
    notes.extend(consoles.notes);

    let mut request = Request::new(image);
    request.cmdline = cmdline;
    request.modules = modules;
    request.mem_min = args.mem_min;
    request.mem_max = args.mem_max;
    request.real_mode = args.real_mode;
    request.consoles = consoles.consoles;
    request.on_fault = match args.on_fault {
        Some(OnFault::Reset) => spec::OnFault::Reset,
        None if crash.is_some() => spec::OnFault::Reset,
        _ => spec::OnFault::Halt,
    };
    request.verify = match args.verify {
        Verify::None => spec::Verify::None,
        Verify::Crc32 => spec::Verify::Crc32,
        Verify::Sha256 => spec::Verify::Sha256,
    };
    request.drill = match args.drill {
        Some(Drill::FaultLong) => spec::Drill::FaultLong,
        Some(Drill::FaultProtected) => spec::Drill::FaultProtected,
        _ => spec::Drill::Off,
    };
    request.drill_heap = args.drill == Some(Drill::XenHeap);
    if request.drill_heap && (host.xen.is_none() || crash.is_some()) {
        bail!("--drill xen-heap: only an image that Xen loads for `mbtool exec` can lose pages");
    }
    request.low_memory_fix = args.drill != Some(Drill::NoLowMemoryFix);
    if args.seed && matches!(request.image.protocol, Protocol::Linux(_)) {
        request.seed = random();
    }
    request.guard = args.guard;
    request.crash = crash;
    let corrupt = match &args.drill {
        Some(Drill::Corrupt(name)) => Some(name.clone()),
        _ => None,
    };
    if let Some(drill) = &args.drill {
        notes.push(format!(
            "DRILL: this image will fail on purpose ({})",
            drill_name(drill)
        ));
        if request.consoles.is_empty() {
            bail!("--drill shows nothing without a console: give --console com1");
        }
        if *drill == Drill::FaultProtected && matches!(request.image.protocol, Protocol::Linux(_)) {
            bail!(
                "--drill fault-protected: {} is entered in long mode, so the handoff never drops \
                 to protected mode; give --drill fault-long",
                request.image.name
            );
        }
        let damaged = corrupt.is_some() || request.drill_heap;
        if damaged && request.verify == spec::Verify::None {
            bail!(
                "--drill corrupt needs --verify crc32 or sha256: nothing would notice the damage"
            );
        }
    }
    Ok(Prepared {
        request,
        notes,
        corrupt,
    })
}

/// Random bytes from the running kernel; none where it has none yet.
fn random() -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut file = File::open("/dev/urandom").ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn drill_name(drill: &Drill) -> String {
    match drill {
        Drill::FaultLong => "an exception in long mode".into(),
        Drill::FaultProtected => "an exception in protected mode".into(),
        Drill::Corrupt(name) => format!("one bit of `{name}` is flipped"),
        Drill::XenHeap => "data goes to pages that Xen may lose".into(),
        Drill::NoLowMemoryFix => "Xen gets no BIOS data area on a machine without one".into(),
    }
}

/// Reads and unpacks the image.
///
/// # Errors
///
/// The file cannot be read or unpacked.
pub fn read_image(path: &Path) -> anyhow::Result<(Vec<u8>, Vec<Compression>)> {
    let unpacked = decompress(input::read(path, FILE_LIMIT)?, &input::display_name(path))?;
    Ok((unpacked.bytes, unpacked.layers))
}
