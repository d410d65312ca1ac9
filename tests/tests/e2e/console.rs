//! The handoff's consoles, entered by the launcher like by Linux's kexec: all types at once with
//! identical text; memory-mapped UARTs with different strides and widths; UARTs that do not respond.
//!
//! QEMU has no 8250 in memory space on x86. The test emulates one with RAM: a page whose line
//! status register has the value "ready". QEMU's gdbstub stops the machine after every store to its
//! transmit register, and the test reads the word that was stored: the stream of bytes, and by the
//! bytes around it the access width.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use handoff::abi::PHASES;
use handoff::names::nth;
use handoff::spec::{Console, Drill};
use handoff::uart::{FCR, IER, LCR, LSR, LSR_TEMT, LSR_THRE, MCR, POLL_LIMIT};
use images::launch;
use images::payloads::MB2_FIXED;
use mbtool::host::{FoundRsdp, Host, LowMemory, MapEntry, MemoryKind};
use mbtool::image::Image;
use mbtool::plan::{Plan, Request, plan};
use mbtool::ramlog;
use tests::dump::WholeDump;
use tests::gdb::{self, Gdb};
use tests::{DEBUG_EXIT, Firmware, Machine, Outcome};

tests::cases! {
    uarts_in_memory_with_a_stride_of_one_and_two: booted 3 s;
    uarts_in_memory_with_a_stride_of_four_programmed: booted 3 s;
    uarts_in_memory_with_a_stride_of_eight_and_sixteen: booted 3 s;
    a_uart_above_4_gib: booted 3 s;
    dead_uarts_keep_neither_the_target_nor_the_others: booted 3 s;
}

const DEADLINE: Duration = Duration::from_secs(240);
/// RAM that is unknown to the planner, for emulated UARTs.
const HIDDEN: u64 = 0x3000_0000;
/// The same above 4 GiB.
const HIGH: u64 = 0x1_4000_0000;
/// Value of registers that were not written.
const UNTOUCHED: u8 = 0xa5;
/// The end of the handoff's output.
const HALTED: &str = "[handoff] halted (--on-fault halt)";

const COM1: Console = Console::Pio {
    port: 0x3f8,
    divisor: Some(1),
};

/// QEMU's memory below [`HIDDEN`].
fn host() -> Host {
    let entry = |start, end, kind| MapEntry { start, end, kind };
    Host {
        memory_map: vec![
            entry(0, 0x9_fc00, MemoryKind::Ram),
            entry(0x9_fc00, 0xa_0000, MemoryKind::Reserved),
            entry(0xf_0000, 0x10_0000, MemoryKind::Reserved),
            entry(0x10_0000, HIDDEN, MemoryKind::Ram),
        ],
        low_memory: LowMemory {
            bda_ebda_segment: Some(0x9fc0),
            bda_base_kib: Some(639),
            rsdp: Some(FoundRsdp {
                addr: 0xf_5a40,
                revision: 0,
            }),
            rsdp_in_low_memory: true,
            efi: false,
        },
        cmdline: "memmap=64K$0x10000000".to_owned(),
        ..Host::default()
    }
}

fn planned(consoles: Vec<Console>, drill: Drill) -> Result<Plan> {
    let mut request = Request::new(Image::parse(MB2_FIXED, "fixed")?);
    request.consoles = consoles;
    request.drill = drill;
    Ok(plan(&request, &host())?)
}

/// Returns the plan as passed to the kernel, with more segments.
fn packed(plan: &Plan, more: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let segments = plan.kernel_segments.iter();
    let mut all: Vec<launch::LaunchSegment<'_>> = segments
        .map(|s| (s.dest.start, s.dest.len(), &s.data[..]))
        .collect();
    all.extend(more.iter().map(|(at, bytes)| (*at, 4096, &bytes[..])));
    launch::pack(&all, plan.entry)
}

fn machine(dir: &Path, plan: Vec<u8>) -> Result<Machine> {
    let kernel = dir.join("launcher");
    fs::write(&kernel, launch::kernel(launch::DEFAULT_BASE))?;
    let machine = Machine::new(Firmware::SeaBios, &kernel);
    Ok(machine.memory_mib(1024).initrd(plan).args(DEBUG_EXIT))
}

/// A page with a UART that is always ready.
fn uart(stride: u8) -> Vec<u8> {
    let mut page = vec![UNTOUCHED; 4096];
    page[usize::from(LSR) * usize::from(stride)] = LSR_THRE | LSR_TEMT;
    page
}

/// Observations of an emulated UART.
struct Observed {
    /// Every byte sent, with the word around it.
    stores: Vec<u32>,
    /// The page afterwards.
    page: Vec<u8>,
    /// The RAM log at that time.
    log: Vec<u8>,
}

impl Observed {
    fn text(&self) -> Result<String> {
        let bytes = self.stores.iter().map(|word| word.to_le_bytes()[0]);
        Ok(String::from_utf8(bytes.collect())?)
    }
}

/// Watches the UART at `addr` until the end of the handoff's output.
fn observe(socket: &Path, addr: u64, stride: u8, log: u64) -> Result<Observed> {
    let mut gdb = Gdb::connect(socket, DEADLINE)?;
    let page = addr & !0xfff;
    gdb.write(page, &uart(stride))?;
    gdb.watch(addr, 4)?;
    let mut stores = Vec::new();
    let mut tail = String::new();
    while !tail.ends_with(HALTED) {
        ensure!(gdb.resume()?, "the machine ended after {tail:?}");
        let word = gdb.read(addr, 4)?;
        stores.push(u32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        if word[0] == b'\n' {
            tail.clear();
        } else {
            tail.push(char::from(word[0]));
        }
        // bytes that the next store does not write must be recognizable
        gdb.write(addr + 1, &[UNTOUCHED; 3])?;
    }
    gdb.unwatch(addr, 4)?;
    let observed = Observed {
        stores,
        page: gdb.read(page, 4096)?,
        log: gdb.read(log, 0x1_0000)?,
    };
    gdb.detach()?;
    Ok(observed)
}

/// Runs a drill with the UART at `addr`, a RAM log, the debug port and COM1, and compares what they got.
fn everywhere(name: &str, addr: u64, stride: u8, width: u8, drill: Drill) -> Result<()> {
    const LOG: u64 = 0x1000_0000;
    let baud = (stride == 4).then_some(3);
    let consoles = vec![
        Console::RamLog {
            addr: LOG,
            size: 0x1_0000,
        },
        Console::Debugcon { port: 0xe9 },
        Console::Mmio {
            addr,
            stride,
            width,
            divisor: baud,
        },
        // last: the run ends by this one's log
        COM1,
    ];
    let plan = planned(consoles, drill)?;
    let dir = tempfile::tempdir()?;
    let socket = dir.path().join("gdb");
    let debugcon = dir.path().join("debugcon");
    let machine = machine(dir.path(), packed(&plan, &[]))?
        .memory_mib(if addr < 1 << 32 { 1024 } else { 5120 })
        .args(gdb::arguments(&socket))
        .args(["-debugcon", &format!("file:{}", debugcon.display())]);
    let observer = thread::spawn(move || observe(&socket, addr, stride, LOG));
    let outcome = machine.run(name, DEADLINE, &[HALTED])?;
    // the machine is stopped if the observer failed
    let observed = observer.join().ok().context("the observer panicked")?;
    let observed = observed.with_context(|| outcome.describe())?;
    let outcome = outcome.ended_with(HALTED)?;

    // the same text everywhere; CR LF except in the log
    let serial = fs::read_to_string(&outcome.log)?;
    let serial = handoff_text(&serial)?;
    let mut text = observed.text()?;
    if baud.is_some() {
        // the divisor latch has the transmit register's address
        assert_eq!(text.remove(0), '\u{3}');
    }
    assert_eq!(handoff_text(&text)?, serial);
    assert_eq!(handoff_text(&fs::read_to_string(debugcon)?)?, serial);
    let log = ramlog::parse(LOG, &observed.log)?;
    let log = String::from_utf8(log.text)?;
    assert!(!log.contains('\r'));
    assert_eq!(handoff_text(&log)?, serial.replace('\r', ""));

    // one intact dump of the right fault
    let dump = WholeDump::parse(&text.lines().map(str::to_owned).collect::<Vec<_>>())?;
    let (vector, mode, phase) = dump.place()?;
    assert_eq!(vector, 6);
    if drill == Drill::FaultLong {
        assert_eq!((mode, phase), ("long", "fixups"));
    } else {
        let phases = [5, 6].map(|n| nth(PHASES, n).map(String::from_utf8_lossy));
        assert_eq!(mode, "protected");
        assert!(phases.contains(&Some(phase.into())), "{phase}");
    }

    // every store was one access of the width, and no other byte of the page changed
    let wide = u32::from(width / 8);
    for word in &observed.stores {
        let bytes = word.to_le_bytes();
        for (n, byte) in (1..).zip(&bytes[1..]) {
            let expected = if n < wide { 0 } else { UNTOUCHED };
            assert_eq!(*byte, expected, "byte {n} of {word:#x}");
        }
    }
    let mut expected = uart(stride);
    let start = (addr & 0xfff) as usize;
    let mut set = |register: u8, value: u8| {
        let at = start + usize::from(register) * usize::from(stride);
        expected[at..at + wide as usize].fill(0);
        expected[at] = value;
    };
    if baud.is_some() {
        for (register, value) in [(IER, 0), (FCR, 7), (LCR, 3), (MCR, 3)] {
            set(register, value);
        }
    }
    assert_eq!(observed.page[start + 4..], expected[start + 4..]);
    assert_eq!(observed.page[..start], expected[..start]);
    Ok(())
}

/// Returns the handoff's output, from beginning to end.
fn handoff_text(text: &str) -> Result<&str> {
    let start = text.find("[handoff]").context("no output of the handoff")?;
    let text = &text[start..];
    let end = text.rfind(HALTED).context("no end of its output")?;
    Ok(&text[..end])
}

fn uarts_in_memory_with_a_stride_of_one_and_two() -> Result<()> {
    everywhere("console_1_8", HIDDEN, 1, 8, Drill::FaultLong)?;
    everywhere("console_2_8", HIDDEN, 2, 8, Drill::FaultProtected)?;
    everywhere("console_2_16", HIDDEN, 2, 16, Drill::FaultLong)
}

fn uarts_in_memory_with_a_stride_of_four_programmed() -> Result<()> {
    everywhere("console_4_8", HIDDEN, 4, 8, Drill::FaultProtected)?;
    everywhere("console_4_32", HIDDEN, 4, 32, Drill::FaultProtected)
}

fn uarts_in_memory_with_a_stride_of_eight_and_sixteen() -> Result<()> {
    everywhere("console_8_32", HIDDEN, 8, 32, Drill::FaultLong)?;
    everywhere("console_16_8", HIDDEN, 16, 8, Drill::FaultLong)?;
    everywhere("console_16_32", HIDDEN, 16, 32, Drill::FaultProtected)
}

fn a_uart_above_4_gib() -> Result<()> {
    everywhere("console_high_long", HIGH, 1, 8, Drill::FaultLong)?;
    everywhere("console_high_protected", HIGH, 4, 32, Drill::FaultProtected)
}

/// Boots the payload with these consoles; it must be reached. The elapsed time is printed for
/// information.
fn reached(name: &str, consoles: Vec<Console>, more: &[(u64, Vec<u8>)]) -> Result<Outcome> {
    let plan = planned(consoles, Drill::Off)?;
    let dir = tempfile::tempdir()?;
    let outcome = machine(dir.path(), packed(&plan, more))?.run(name, DEADLINE, &[])?;
    outcome.report()?;
    println!("{name}: {} ms", outcome.elapsed.as_millis());
    Ok(outcome)
}

/// `isa-debug-exit` reads as 0: a UART that is present and never ready.
const STUCK_PIO: Console = Console::Pio {
    port: 0xf4 - LSR as u16,
    divisor: None,
};
/// No device: reads as 0xff.
const ABSENT_PIO: Console = Console::Pio {
    port: 0x2f8,
    divisor: Some(1),
};

const fn mmio(addr: u64, divisor: Option<u16>) -> Console {
    Console::Mmio {
        addr,
        stride: 4,
        width: 32,
        divisor,
    }
}

fn dead_uarts_keep_neither_the_target_nor_the_others() -> Result<()> {
    let alive = reached("console_alive", vec![COM1], &[])?;
    let stuck = (HIDDEN, vec![0; 4096]);
    let absent = (HIDDEN + 0x1000, vec![0xff; 4096]);
    let consoles = vec![
        STUCK_PIO,
        ABSENT_PIO,
        mmio(HIDDEN, Some(1)),
        COM1, // the one that works, behind the three that do not
    ];
    let dead = reached("console_dead", consoles, &[stuck.clone(), absent.clone()])?;
    println!("each stuck UART was given {POLL_LIMIT} reads, once");
    let printed = |outcome: &Outcome| {
        let lines = outcome.lines.iter();
        let handoff = lines.filter(|line| line.starts_with("[handoff]"));
        // checksums of the handoff itself cover its parameters
        handoff
            .filter(|line| !line.contains("itself"))
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(printed(&dead), printed(&alive));
    assert!(printed(&alive).len() > 3);

    // no working UART
    let consoles = vec![
        STUCK_PIO,
        ABSENT_PIO,
        mmio(HIDDEN, None),
        mmio(HIDDEN + 0x1000, Some(1)),
    ];
    let silent = reached("console_silent", consoles, &[stuck, absent])?;
    assert_eq!(printed(&silent), [""; 0]);

    // an address beyond this CPU's physical address width (40 bits)
    let impossible = reached("console_impossible", vec![mmio(1 << 45, None), COM1], &[])?;
    assert_eq!(printed(&impossible), printed(&alive));
    Ok(())
}
