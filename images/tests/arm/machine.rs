//! The machine of these tests: monitor, handoff, segments.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use handoff::blob::dt::{self, DtSpec};
use handoff::spec::Console;
use images::assets::QEMU_ARM;
use images::cross::{Cross, CrossHandoff, CrossTarget};
use images::qemu;

pub use crate::bare::SegmentAt;
use crate::bare::{self, BareImage};

/// Where the handoff is loaded.
pub const BLOB: u64 = 0x4800_0000;
/// r2 of the target.
pub const DTB: u64 = 0x4900_0000;
/// The UART of QEMU's virt machine.
pub const UART: Console = Console::Pl011 { addr: 0x900_0000 };

/// Where the monitor expects its configuration.
const CONFIGURATION: u64 = 0x407f_0000;

/// Where the handoff runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Supervisor mode, below a monitor in Hyp mode.
    Svc = 1,
    /// Hyp mode.
    Hyp = 2,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Svc, Self::Hyp];

    /// Name in the handoff's output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Svc => "svc",
            Self::Hyp => "hyp",
        }
    }

    /// Number of the mode.
    pub const fn number(self) -> u32 {
        match self {
            Self::Svc => 0x13,
            Self::Hyp => 0x1a,
        }
    }
}

/// Variants of monitor and machine.
#[derive(Clone, Copy)]
pub struct Variant {
    /// QEMU's `-cpu`.
    pub cpu: &'static str,
    /// The machine has Hyp mode.
    pub hyp: bool,
    /// Translation and caches are on at the entry.
    pub translated: bool,
    /// Bits of HCR that make virtual interrupts pending.
    pub pending: u64,
}

impl Default for Variant {
    fn default() -> Self {
        Self {
            cpu: "cortex-a15",
            hyp: true,
            translated: false,
            pending: 0,
        }
    }
}

/// What is built once.
pub struct Machine {
    /// The monitor.
    pub monitor: BareImage,
    handoff: CrossHandoff,
}

/// The machine.
pub fn machine() -> &'static Machine {
    static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = package.parent().unwrap();
        let into = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cross");
        let cross = Cross::new(CrossTarget::Armhf, &into).unwrap();
        let sources = package.join("payload/arm_handoff");
        let monitor = cross
            .freestanding(
                &sources.join("main.rs"),
                &sources.join("layout.ld"),
                "arm_monitor",
            )
            .unwrap();
        let handoff = cross.handoff(workspace).unwrap();
        Machine {
            monitor: BareImage(monitor),
            handoff,
        }
    });
    &MACHINE
}

impl Machine {
    /// The address of a symbol of the monitor.
    pub fn address(&self, name: &str) -> u64 {
        self.monitor.address(name)
    }

    /// Runs a handoff; returns the output.
    pub fn handoff(&self, spec: &DtSpec, level: Level, segments: &[SegmentAt]) -> String {
        self.handoff_on(Variant::default(), spec, level, segments)
    }

    /// As [`Self::handoff`], on a variant of the machine.
    pub fn handoff_on(
        &self,
        variant: Variant,
        spec: &DtSpec,
        level: Level,
        segments: &[SegmentAt],
    ) -> String {
        let built = dt::build(&self.handoff.image, spec).unwrap();
        let mut loaded = vec![SegmentAt(BLOB, built.bytes)];
        loaded.extend(segments.iter().cloned());
        self.run(variant, built.entry, level, &loaded)
    }

    /// Runs a handoff with a wrong byte in its code.
    pub fn damaged(&self, spec: &DtSpec, level: Level) -> String {
        let mut built = dt::build(&self.handoff.image, spec).unwrap();
        // the end of the constants
        let end = self.handoff.image.len() - 1;
        built.bytes[end] ^= 0x40;
        let loaded = [SegmentAt(BLOB, built.bytes)];
        self.run(Variant::default(), built.entry, level, &loaded)
    }

    /// Runs a handoff at another address than it was made for.
    pub fn misplaced(&self, spec: &DtSpec, level: Level) -> String {
        let built = dt::build(&self.handoff.image, spec).unwrap();
        let at = BLOB + 0x1000;
        let loaded = [SegmentAt(at, built.bytes)];
        self.run(Variant::default(), built.entry - BLOB + at, level, &loaded)
    }

    /// Runs a handoff until its output contains `end`.
    pub fn until(&self, spec: &DtSpec, level: Level, end: &str) -> String {
        let built = dt::build(&self.handoff.image, spec).unwrap();
        let loaded = [SegmentAt(BLOB, built.bytes)];
        self.run_until(Variant::default(), built.entry, level, &loaded, Some(end))
    }

    fn run(&self, variant: Variant, entry: u64, level: Level, loaded: &[SegmentAt]) -> String {
        self.run_until(variant, entry, level, loaded, None)
    }

    /// Runs until QEMU ends, or until the output contains `end`.
    fn run_until(
        &self,
        variant: Variant,
        entry: u64,
        level: Level,
        loaded: &[SegmentAt],
        end: Option<&str>,
    ) -> String {
        let words = [
            entry,
            level as u64,
            variant.translated.into(),
            variant.pending,
        ];
        let configuration = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let virtualization = if variant.hyp { "on" } else { "off" };
        let mut qemu = qemu::of(&QEMU_ARM).unwrap();
        qemu.arg("-M")
            .arg(format!("virt,virtualization={virtualization}"))
            .args(["-m", "512", "-cpu", variant.cpu])
            // starts CPU 0 there
            .arg("-device")
            .arg(format!(
                "loader,addr={:#x},cpu-num=0",
                self.address("start")
            ));
        let fixed = [
            self.monitor.loaded(),
            SegmentAt(CONFIGURATION, configuration),
        ];
        let segments: Vec<SegmentAt> = fixed.into_iter().chain(loaded.iter().cloned()).collect();
        bare::run(qemu, &segments, end)
    }
}
