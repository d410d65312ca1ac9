//! The machine of tests of the handoff on ARM: monitor, handoff, segments. A level is its number in the monitor's
//! configuration.

use std::path::{Path, PathBuf};

use handoff::blob::dt::{self, DtSpec};
use handoff::spec::Console;
use images::assets::Asset;
use images::cross::{Cross, CrossHandoff, CrossTarget};
use images::qemu;

pub use crate::bare::SegmentAt;
use crate::bare::{self, BareImage};

/// Where the handoff is loaded.
pub const BLOB: u64 = 0x4800_0000;
/// Device tree of the target.
pub const DTB: u64 = 0x4900_0000;
/// The UART of QEMU's virt machine.
pub const UART: Console = Console::Pl011 { addr: 0x900_0000 };

/// Where the monitor expects its configuration.
const CONFIGURATION: u64 = 0x407f_0000;

/// What differs between the architectures.
pub struct ArmBoard {
    /// The architecture.
    pub target: CrossTarget,
    /// Directory of the monitor below `payload/`.
    pub monitor: &'static str,
    /// Its emulator.
    pub qemu: &'static Asset,
    /// `-cpu`, unless a test chooses.
    pub cpu: &'static str,
}

/// Variants of monitor and machine.
#[derive(Clone, Copy)]
pub struct Variant {
    /// QEMU's `-cpu`; `None` for the board's.
    pub cpu: Option<&'static str>,
    /// The machine has EL2, or Hyp mode.
    pub hyp: bool,
    /// Translation and caches are on at the entry.
    pub translated: bool,
    /// Bits of HCR that make virtual interrupts pending below EL2.
    pub pending: u64,
}

impl Default for Variant {
    fn default() -> Self {
        Self {
            cpu: None,
            hyp: true,
            translated: false,
            pending: 0,
        }
    }
}

/// What is built once.
pub struct Machine {
    board: &'static ArmBoard,
    /// The monitor.
    pub monitor: BareImage,
    handoff: CrossHandoff,
}

impl Machine {
    /// Builds monitor and handoff.
    pub fn new(board: &'static ArmBoard) -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = package.parent().unwrap();
        let into = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cross");
        let cross = Cross::new(board.target, &into).unwrap();
        let sources = package.join("payload").join(board.monitor);
        let monitor = cross
            .freestanding(
                &sources.join("main.rs"),
                &sources.join("layout.ld"),
                board.monitor,
            )
            .unwrap();
        Self {
            board,
            monitor: BareImage(monitor),
            handoff: cross.handoff(workspace).unwrap(),
        }
    }

    /// The address of a symbol of the monitor.
    pub fn address(&self, name: &str) -> u64 {
        self.monitor.address(name)
    }

    /// Runs a handoff; returns the output.
    pub fn handoff(&self, spec: &DtSpec, level: impl Into<u64>, segments: &[SegmentAt]) -> String {
        self.handoff_on(Variant::default(), spec, level, segments)
    }

    /// As [`Self::handoff`], on a variant of the machine.
    pub fn handoff_on(
        &self,
        variant: Variant,
        spec: &DtSpec,
        level: impl Into<u64>,
        segments: &[SegmentAt],
    ) -> String {
        let built = dt::build(&self.handoff.image, spec).unwrap();
        let mut loaded = vec![SegmentAt(BLOB, built.bytes)];
        loaded.extend(segments.iter().cloned());
        self.run(variant, built.entry, level, &loaded)
    }

    /// Runs a handoff with a wrong byte in its code.
    pub fn damaged(&self, spec: &DtSpec, level: impl Into<u64>) -> String {
        let mut built = dt::build(&self.handoff.image, spec).unwrap();
        // the end of the constants
        let end = self.handoff.image.len() - 1;
        built.bytes[end] ^= 0x40;
        let loaded = [SegmentAt(BLOB, built.bytes)];
        self.run(Variant::default(), built.entry, level, &loaded)
    }

    /// Runs a handoff at another address than it was made for.
    pub fn misplaced(&self, spec: &DtSpec, level: impl Into<u64>) -> String {
        let built = dt::build(&self.handoff.image, spec).unwrap();
        let at = BLOB + 0x1000;
        let loaded = [SegmentAt(at, built.bytes)];
        self.run(Variant::default(), built.entry - BLOB + at, level, &loaded)
    }

    /// Runs a handoff until its output contains `end`.
    pub fn until(&self, spec: &DtSpec, level: impl Into<u64>, end: &str) -> String {
        let built = dt::build(&self.handoff.image, spec).unwrap();
        let loaded = [SegmentAt(BLOB, built.bytes)];
        self.run_until(Variant::default(), built.entry, level, &loaded, Some(end))
    }

    fn run(
        &self,
        variant: Variant,
        entry: u64,
        level: impl Into<u64>,
        loaded: &[SegmentAt],
    ) -> String {
        self.run_until(variant, entry, level, loaded, None)
    }

    /// Runs until QEMU ends, or until the output contains `end`.
    fn run_until(
        &self,
        variant: Variant,
        entry: u64,
        level: impl Into<u64>,
        loaded: &[SegmentAt],
        end: Option<&str>,
    ) -> String {
        let words = [
            entry,
            level.into(),
            variant.translated.into(),
            variant.pending,
        ];
        let configuration = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let virtualization = if variant.hyp { "on" } else { "off" };
        let mut qemu = qemu::of(self.board.qemu).unwrap();
        qemu.arg("-M")
            .arg(format!("virt,virtualization={virtualization}"))
            .args(["-m", "512", "-cpu", variant.cpu.unwrap_or(self.board.cpu)])
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
