//! Converts options and files to a [`Request`]: resolves consoles, refuses options that contradict
//! each other.

use super::cmdline::{self, ImageKind, LineSources};
use super::error::OptionError;
use super::{BootOptions, DrillOption, Files, ModuleKind, console, warnings};
use crate::arch::Architecture;
use crate::host::Host;
use crate::image::Protocol;
use crate::plan::Request;
use crate::plan::request::SEED;
use anyhow::bail;
use handoff::addr::PhysRange;
use handoff::spec;
use std::fs::File;
use std::io::Read;

/// A request and its notes.
#[derive(Debug)]
pub struct Prepared {
    /// Request for the planner.
    pub request: Request,
    /// Notes for stderr.
    pub notes: Vec<String>,
    /// Segment to corrupt after planning (`--drill corrupt=NAME`).
    pub corrupt: Option<String>,
}

/// Checks the options.
///
/// # Errors
///
/// Names the invalid file or option.
pub fn prepare(
    options: &BootOptions,
    files: Files,
    host: &Host,
    crash: Option<PhysRange>,
) -> anyhow::Result<Prepared> {
    let mut notes = Vec::new();
    let Files {
        image,
        layers,
        modules,
        line,
        embedded,
        initrd: (initrd_parts, initrd_notes),
        device_tree,
    } = files;
    if image.protocol.is_linux() {
        let mut modules = options.modules.iter();
        if let Some(module) = modules.find(|module| module.kind != ModuleKind::Initrd) {
            bail!(
                "{} {}: {} is Linux, which takes no modules; an initrd is given with \
                 --initrd, the image's own arguments with --cmdline",
                module.kind.option(),
                module.path.display(),
                image.name
            );
        }
        if let Protocol::Linux(setup) = &image.protocol
            && let Some(release) = setup.release()
        {
            notes.push(format!("{} is Linux {release}", image.name));
        }
    }
    if let Some(layer) = layers.first() {
        notes.push(format!("{}: unpacked {layer}", image.name));
    }
    notes.extend(embedded.iter().map(ToString::to_string));
    let kind = ImageKind::of(&image);
    if options.real_mode && kind != ImageKind::Xen {
        let image = image.name;
        return Err(OptionError::RealMode { image }.into());
    }
    let sources = LineSources {
        embedded: line.as_ref(),
        bare: modules
            .first()
            .is_some_and(|module| module.cmdline.is_empty()),
    };
    let lines = cmdline::make(options, kind, host, sources)?;
    notes.extend(lines.changes.iter().map(ToString::to_string));
    notes.extend(lines.notes);
    let consoles = console::resolve(&options.consoles, host, &lines.image)?;
    notes.extend(consoles.notes.iter().map(ToString::to_string));

    let mut request = Request::new(image);
    request.cmdline = lines.image;
    request.changes = lines.changes;
    request.modules = modules;
    request.initrd_parts = initrd_parts;
    notes.extend(initrd_notes.iter().map(ToString::to_string));
    if let (Some(line), Some(kernel)) = (lines.dom0, request.modules.first_mut()) {
        kernel.cmdline = line;
    }
    request.mem_min = options.mem_min;
    request.mem_max = options.mem_max;
    request.real_mode = options.real_mode;
    request.consoles = consoles.consoles;
    request.on_fault = options.on_fault.unwrap_or(match crash {
        Some(_) => spec::OnFault::Reset,
        None => spec::OnFault::Halt,
    });
    request.verify = options.verify;
    request.drill = match options.drill {
        Some(DrillOption::FaultLong) => spec::Drill::FaultLong,
        Some(DrillOption::FaultProtected) => spec::Drill::FaultProtected,
        _ => spec::Drill::Off,
    };
    request.drill_heap = options.drill == Some(DrillOption::XenHeap);
    if request.drill_heap && (host.xen.is_none() || crash.is_some()) {
        bail!("--drill xen-heap: only an image that Xen loads for `mbtool exec` can lose pages");
    }
    request.low_memory_fix = options.drill != Some(DrillOption::NoLowMemoryFix);
    if options.seed && request.image.protocol.is_linux() {
        request.seed = random();
    }
    request.guard = options.guard;
    request.device_tree = device_tree;
    request.crash = crash;
    let missing = warnings::missing(&request, kind, options.reuse_cmdline, host);
    request.warnings = missing.iter().map(ToString::to_string).collect();
    let corrupt = match &options.drill {
        Some(DrillOption::Corrupt(name)) => Some(name.clone()),
        _ => None,
    };
    if let Some(drill) = &options.drill {
        notes.push(format!(
            "DRILL: this image will fail deliberately ({})",
            drill_name(drill, host.arch)
        ));
        if request.consoles.is_empty() {
            bail!("--drill shows nothing without a console: give --console com1");
        }
        let x86 = host.arch == Architecture::X86_64;
        if *drill == DrillOption::FaultProtected && request.image.protocol.is_linux() && x86 {
            bail!(
                "--drill fault-protected: {} is entered in long mode, so the handoff never drops \
                 to protected mode; give --drill fault-long",
                request.image.name
            );
        }
        let damaged = corrupt.is_some() || request.drill_heap;
        if damaged && request.verify == spec::Verify::None {
            bail!(
                "--drill corrupt needs --verify crc32 or sha256: the corruption would not be detected"
            );
        }
    }
    Ok(Prepared {
        request,
        notes,
        corrupt,
    })
}

/// Random bytes from the running kernel; none before its generator is
/// initialized.
fn random() -> Option<[u8; SEED]> {
    let mut bytes = [0; SEED];
    let mut file = File::open("/dev/urandom").ok()?;
    file.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn drill_name(drill: &DrillOption, arch: Architecture) -> String {
    match drill {
        DrillOption::FaultLong if arch != Architecture::X86_64 => "an exception".into(),
        DrillOption::FaultLong => "an exception in long mode".into(),
        DrillOption::FaultProtected => "an exception in protected mode".into(),
        DrillOption::Corrupt(name) => format!("one bit of `{name}` is flipped"),
        DrillOption::XenHeap => "data goes to pages that Xen may lose".into(),
        DrillOption::NoLowMemoryFix => "Xen gets no BIOS data area on a machine without one".into(),
    }
}
