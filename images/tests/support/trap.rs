//! Runs code that faults with the handoff's gates, and returns the handoff's
//! output.
#![allow(dead_code, reason = "no test uses all of it")]

use super::qemu_command;
use handoff::abi::{self, Area, Tables};
use handoff::arch::x86_64::selfcheck;
use handoff::blob;
use handoff::dump::Mode;
use handoff::dump::read::{Dump, Integrity, Reader};
use handoff::spec::{Console, Drill, Exit, OnFault, Relocate, Spec, Verify};
use images::launch::{self, series};
use images::payloads::LAUNCHER_SERIES_STATUS;
use std::fs;
use std::io::Write;
use std::mem::offset_of;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Address of the blob.
pub const BASE: u32 = 0x600_0000;
/// Address of the code; in long mode the page is executable and read-only.
pub const CODE: u32 = 0x700_0000;
/// Address of [`Guest::data`]: not executable in long mode.
pub const DATA: u32 = 0x710_0000;
/// A page directory (PSE) that maps 4 GiB one to one, except [`HOLE`].
pub const PAGES: u32 = 0x720_0000;
/// No memory and no device; not present in [`PAGES`].
pub const HOLE: u32 = 0xc000_0000;
/// In [`PAGES`]: present, with a reserved bit set.
pub const RESERVED: u32 = 0xc040_0000;
/// Words at [`DATA`], before [`Guest::data`].
pub const POINTERS: usize = 16;
/// Timeout for hangs, well above a slow run.
const DEADLINE: Duration = Duration::from_secs(120);

/// Instructions, and the offset of one of them.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Machine code.
    pub bytes: &'static [u8],
    /// Offset of label 902.
    pub at: u32,
}

/// Assembles instructions (lines of Intel syntax, with a label `902:`) for the
/// given directive, `.code32` or `.code64`.
#[macro_export]
macro_rules! code {
    ($bits:literal, $($line:literal,)+ $(; $($name:ident = $value:expr),+ $(,)?)?) => {{
        let code_at: *const u32;
        // SAFETY: takes the address of constants: two words (offset, length),
        // then the code.
        unsafe {
            core::arch::asm!(
                ".pushsection .rodata.code, \"a\"",
                ".balign 4",
                "900: .long 902f - 901f, 903f - 901f",
                "901:",
                $bits,
                $($line,)+
                "903:",
                ".code64",
                ".popsection",
                "lea {code_at}, [rip + 900b]",
                $($($name = const $value,)+)?
                code_at = out(reg) code_at,
                options(nomem, nostack, preserves_flags),
            );
            $crate::support::trap::Code {
                bytes: std::slice::from_raw_parts(code_at.add(2).cast(), *code_at.add(1) as usize),
                at: *code_at,
            }
        }
    }};
}

/// Returns the address of a field in the blob's area.
pub fn area(offset: usize) -> u32 {
    BASE + blob::header().area + offset as u32
}

/// Offsets in [`DATA`] of addresses that depend on the blob's build.
pub const P_TSS64: u32 = 0;
pub const P_GDT: u32 = 4;
pub const P_IDT32: u32 = 8;
pub const P_NMI_COUNT: u32 = 12;
pub const P_RESERVED_PDE: u32 = 16;
pub const P_IDTR_BOTH: u32 = 20;
/// Offset in [`DATA`] of [`Guest::data`].
pub const P_DATA: u32 = 4 * POINTERS as u32;

/// Code to run.
pub struct Guest<'a> {
    /// Mode of the code: called by the handoff, or entered as its target.
    pub mode: Mode,
    /// At [`CODE`].
    pub code: &'a [u8],
    /// Behind the pointers at [`DATA`].
    pub data: Vec<u8>,
    /// Changes the blob before it is sealed.
    pub patch: &'a dyn Fn(&mut [u8]),
    /// Consoles.
    pub consoles: Vec<Console>,
    /// Exit after a call that returns, or for the target.
    pub exit: Exit,
    /// More arguments of QEMU.
    pub args: &'a [&'a str],
    /// Entry method of the launcher.
    pub pack: fn(&[launch::LaunchSegment<'_>], u64) -> Vec<u8>,
    /// Lines for QEMU's monitor, each sent when the last output of the code is
    /// [`READY`].
    pub monitor: &'a [&'a str],
}

/// Printed by code that waits for the monitor.
pub const READY: char = '!';
/// COM1.
pub const COM1: Console = Console::Pio {
    port: 0x3f8,
    divisor: Some(1),
};

impl<'a> Guest<'a> {
    pub fn new(mode: Mode, code: &'a [u8]) -> Self {
        Self {
            mode,
            code,
            data: Vec::new(),
            patch: &|_| {},
            consoles: vec![COM1],
            exit: Exit::Multiboot2 {
                entry: CODE,
                mbi: DATA,
            },
            args: &[],
            pack: launch::pack,
            monitor: &[],
        }
    }

    /// Returns the segments for the launcher, and the address to jump to.
    fn segments(&self) -> ([(u64, u64, Vec<u8>); 4], u64) {
        let long = self.mode == Mode::Long;
        let mut built = blob::build(&Spec {
            base: BASE.into(),
            consoles: self.consoles.clone(),
            on_fault: OnFault::Reset,
            verify: Verify::None,
            regions: vec![],
            relocate: Relocate::default(),
            fixups: vec![],
            exit: self.exit,
            drill: if long {
                Drill::Call(CODE.into())
            } else {
                Drill::Off
            },
            guard: false,
        })
        .unwrap();
        let pde = pde(&built.bytes, RESERVED);
        (self.patch)(&mut built.bytes);
        selfcheck::seal(&mut built.bytes, blob::header().area as usize);
        let pointers = [
            area(offset_of!(Area, tables.tss)),
            area(offset_of!(Area, tables.gdt)),
            area(offset_of!(Area, tables.idt32)),
            area(offset_of!(Area, scratch.nmi_count)),
            BASE + pde as u32,
            area(offset_of!(Area, tables.idtr_both)),
        ];
        let mut data = super::words(&pointers);
        data.resize(4 * POINTERS, 0);
        data.extend(&self.data);
        let pages: Vec<u32> = (0..1024)
            .map(|n| match n << 22 {
                HOLE => 0,
                RESERVED => RESERVED | 0x20_0083,
                page => page | 0x83,
            })
            .collect();
        let pages = super::words(&pages);
        let segments = [
            (BASE.into(), built.memsz, built.bytes),
            (CODE.into(), 0x1000, self.code.to_vec()),
            (DATA.into(), 0x1000, data),
            (PAGES.into(), 0x1000, pages),
        ];
        (segments, built.entry)
    }

    fn plan(&self) -> Vec<u8> {
        let (segments, entry) = self.segments();
        (self.pack)(&borrowed(&segments), entry)
    }

    /// Boots; returns the handoff's output until the machine is reset.
    pub fn run(&self) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("kernel"), launch::kernel(launch::DEFAULT_BASE)).unwrap();
        fs::write(path("plan"), self.plan()).unwrap();
        let mut command = qemu_command(dir.path());
        command.args(self.args).args(["-monitor", "stdio"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut qemu = command.spawn().unwrap();
        let read = || {
            let bytes = fs::read(path("serial")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        self.wait(&mut qemu, read);
        read()
    }

    fn wait(&self, qemu: &mut Child, serial: impl Fn() -> String) {
        let start = Instant::now();
        let mut monitor = qemu.stdin.take().unwrap();
        let mut lines = self.monitor.iter();
        while qemu.try_wait().unwrap().is_none() {
            if start.elapsed() > DEADLINE {
                qemu.kill().unwrap();
                panic!("no end after {DEADLINE:?}; the guest said:\n{}", serial());
            }
            if lines.len() > 0 && serial().ends_with(READY) {
                let line = lines.next().copied().unwrap_or_default();
                // fails if QEMU has ended meanwhile
                let _ = monitor.write_all(line.as_bytes());
            }
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

fn borrowed(segments: &[(u64, u64, Vec<u8>); 4]) -> [launch::LaunchSegment<'_>; 4] {
    segments
        .each_ref()
        .map(|(to, len, bytes)| (*to, *len, &bytes[..]))
}

/// Runs guests that need only the launcher and COM1, one after the other in one QEMU; returns the
/// handoff's output of each.
pub fn run_all(guests: &[Guest<'_>]) -> Vec<String> {
    let plans: Vec<_> = guests.iter().map(Guest::segments).collect();
    let plans: Vec<_> = plans
        .iter()
        .map(|(segments, entry)| (borrowed(segments), *entry))
        .collect();
    let plans: Vec<_> = plans
        .iter()
        .map(|(segments, entry)| (&segments[..], *entry))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let machine = series::machine(dir.path(), &series::pack(&plans)).unwrap();
    let mut command = images::qemu::command().unwrap();
    command
        .current_dir(dir.path())
        .args(["-accel", "tcg", "-nodefaults", "-display", "none"])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"])
        .args(["-serial", "file:serial"])
        .args(machine)
        .stdin(Stdio::null());
    let mut qemu = command.spawn().unwrap();
    let serial = dir.path().join("serial");
    let (mut len, mut grown) = (0, Instant::now());
    let status = loop {
        if let Some(status) = qemu.try_wait().unwrap() {
            break status;
        }
        let now = fs::metadata(&serial).map_or(0, |serial| serial.len());
        if now != len {
            (len, grown) = (now, Instant::now());
        }
        // no output for too long, or without end: none prints more than 2 KiB
        if grown.elapsed() > DEADLINE || len > guests.len() as u64 * 0x1_0000 {
            qemu.kill().unwrap();
            break qemu.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let serial = fs::read(&serial).unwrap();
    let serial = String::from_utf8_lossy(&serial);
    let mut said = serial.split(series::NEXT).map(str::to_owned);
    assert_eq!(said.next().as_deref().map(str::trim), Some(""), "{serial}");
    let said: Vec<_> = said.collect();
    let end = (status.code(), said.len());
    let wanted = (Some(LAUNCHER_SERIES_STATUS), guests.len());
    let last = said.last().map_or("nothing", String::as_str);
    assert_eq!(end, wanted, "the last one said\n{last}");
    said
}

/// Offset in the built bytes of the page directory entry of `addr`.
pub fn pde(bytes: &[u8], addr: u32) -> usize {
    let tables = blob::header().area as usize + offset_of!(Area, tables);
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let offset = |entry: u64| ((entry & !0xfff) - u64::from(BASE)) as usize;
    let pml4 = offset(word(tables + offset_of!(Tables, cr3)));
    let pdpt = offset(word(pml4));
    let pd = offset(word(pdpt + 8 * (addr >> 30) as usize));
    pd + 8 * (addr >> 21 & 511) as usize
}

/// Returns all dumps in the handoff's output, checking that they are intact.
pub fn dumps(serial: &str) -> Vec<Dump> {
    let mut reader = Reader::<Dump>::default();
    let mut dumps: Vec<_> = serial.lines().flat_map(|line| reader.line(line)).collect();
    dumps.extend(reader.finish());
    for dump in &dumps {
        assert_eq!(dump.integrity, Integrity::Whole, "{serial}");
    }
    dumps
}

/// Returns the only dump.
pub fn dump(serial: &str) -> Dump {
    let mut dumps = dumps(serial);
    assert_eq!(dumps.len(), 1, "{serial}");
    assert!(serial.contains("resetting the machine"), "{serial}");
    dumps.remove(0)
}

/// Index of a phase.
pub const fn phase(mode: Mode) -> u32 {
    match mode {
        Mode::Long => abi::PHASE_FIXUPS,
        Mode::Protected => abi::PHASE_TARGET,
    }
}
