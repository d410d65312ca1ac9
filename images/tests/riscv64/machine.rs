//! The machine of these tests: monitor, handoff, segments.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use handoff::arch::riscv64::paging::{ALL, PagingMode, SvMapper};
use handoff::blob::dt::{self as build, DtSpec};
use handoff::spec::Console;
use images::cross::{Cross, CrossHandoff, CrossTarget};
use images::qemu;

pub use crate::bare::SegmentAt;
use crate::bare::{self, BareImage};

/// Where the handoff is loaded.
pub const BLOB: u64 = 0x8040_0000;
/// a1 of the target.
pub const DTB: u64 = 0x8300_0000;
/// a0 at the entry.
pub const HART: u64 = 0;
/// Where a virtual entry runs.
pub const VIRTUAL: u64 = 0xffff_ffc0_1234_5000;
/// Offset of the target's call: after two reads of registers and the call's number.
pub const TARGET_CALL: u64 = 16;
/// The UART of QEMU's virt machine.
pub const UART: Console = Console::Mmio {
    addr: 0x1000_0000,
    stride: 1,
    width: 8,
    divisor: None,
};

/// Where the monitor expects its configuration.
const CONFIGURATION: u64 = 0x800f_0000;
/// Page tables of an entry.
const TABLES: u64 = 0x8020_0000;

/// Where the handoff runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Supervisor mode.
    S,
    /// Virtual supervisor mode, with two-stage translation.
    Vs,
}

impl Level {
    /// Name in the monitor's output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::Vs => "VS",
        }
    }
}

/// Address translation at the entry.
#[derive(Clone, Copy, Debug)]
pub enum Entry {
    /// Off.
    Physical,
    /// On, one to one.
    OneToOne,
    /// On, at [`VIRTUAL`] only.
    Virtual(PagingMode),
}

/// Variants of monitor and machine.
pub struct Monitor {
    /// Console calls: 0 none, 1 legacy, 2 debug console, too.
    pub console: u64,
    /// QEMU's `-cpu`.
    pub cpu: &'static str,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            console: 0,
            cpu: "rv64,h=true",
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
        let cross = Cross::new(CrossTarget::Riscv64, &into).unwrap();
        let sources = package.join("payload/riscv64");
        let monitor = cross
            .freestanding(
                &sources.join("main.rs"),
                &sources.join("layout.ld"),
                "monitor",
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
    pub fn handoff(
        &self,
        spec: &DtSpec,
        level: Level,
        entry: Entry,
        segments: &[SegmentAt],
    ) -> String {
        self.handoff_on(&Monitor::default(), spec, level, entry, segments)
    }

    /// As [`Self::handoff`], on a variant of the machine.
    pub fn handoff_on(
        &self,
        monitor: &Monitor,
        spec: &DtSpec,
        level: Level,
        entry: Entry,
        segments: &[SegmentAt],
    ) -> String {
        let built = build::build(&self.handoff.image, spec).unwrap();
        let mut pool = vec![[0; 512]; 16];
        let mapped = |pool: &mut [[u64; 512]], mode, at: u64| {
            let mut mapper = SvMapper::new(mode, pool, TABLES).unwrap();
            for offset in (0..built.memsz).step_by(4096) {
                let (va, pa) = (at + offset, built.entry / 4096 * 4096 + offset);
                mapper.page(va, pa, 0, ALL).unwrap();
            }
            mapper.satp()
        };
        let (satp, at) = match entry {
            Entry::Physical => (0, BLOB),
            Entry::OneToOne => (mapped(&mut pool, PagingMode::Sv39, BLOB), BLOB),
            Entry::Virtual(mode) => (mapped(&mut pool, mode, VIRTUAL), VIRTUAL),
        };
        let entry = at + (built.entry - BLOB);
        let configuration = [entry, HART, DTB, 0, satp, (level == Level::Vs).into()];
        let tables = pool.iter().flatten().flat_map(|word| word.to_le_bytes());
        let mut loaded = vec![
            SegmentAt(BLOB, built.bytes.clone()),
            SegmentAt(TABLES, tables.collect()),
        ];
        loaded.extend(segments.iter().cloned());
        self.run(monitor, &configuration, &loaded)
    }

    /// Runs a handoff with a wrong byte in its code.
    pub fn damaged(&self, spec: &DtSpec) -> String {
        let mut built = build::build(&self.handoff.image, spec).unwrap();
        // the end of the constants
        let end = self.handoff.image.len() - 1;
        built.bytes[end] ^= 0x40;
        let configuration = [built.entry, HART, DTB, 0, 0, 0];
        let loaded = [SegmentAt(BLOB, built.bytes)];
        self.run(&Monitor::default(), &configuration, &loaded)
    }

    /// Runs what Linux does without a trampoline.
    pub fn legacy(&self, level: Level) -> String {
        let mut pool = vec![[0; 512]; 4];
        let mut mapper = SvMapper::new(PagingMode::Sv39, &mut pool, TABLES).unwrap();
        let page = self.address("legacy");
        mapper.page(VIRTUAL, page, 0, ALL).unwrap();
        let satp = mapper.satp();
        let target = self.address("target");
        let configuration = [
            VIRTUAL,
            HART,
            DTB,
            target,
            satp,
            (level == Level::Vs).into(),
        ];
        let tables = pool.iter().flatten().flat_map(|word| word.to_le_bytes());
        let loaded = [SegmentAt(TABLES, tables.collect())];
        self.run(&Monitor::default(), &configuration, &loaded)
    }

    fn run(&self, monitor: &Monitor, configuration: &[u64; 6], loaded: &[SegmentAt]) -> String {
        let words = configuration.iter().chain([&monitor.console]);
        let configuration = words.flat_map(|word| word.to_le_bytes()).collect();
        let mut qemu = qemu::riscv64().unwrap();
        qemu.args(["-M", "virt", "-m", "512", "-cpu", monitor.cpu])
            .args(["-bios", "none"]);
        let fixed = [
            self.monitor.loaded(),
            SegmentAt(CONFIGURATION, configuration),
        ];
        let segments: Vec<SegmentAt> = fixed.into_iter().chain(loaded.iter().cloned()).collect();
        bare::run(qemu, &segments, None)
    }
}
