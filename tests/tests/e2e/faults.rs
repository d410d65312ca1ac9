//! Failures between the two kernels are printed on the serial port: damaged segments, and
//! exceptions before and after the switch to protected mode.

use std::mem::offset_of;

use anyhow::{Context, Result, ensure};
use handoff::abi::{Area, STACK_SIZE};
use handoff::spec::{Console, Verify};
use images::launch;
use images::payloads::{EXIT_STATUS, FAULT32_OFFSET, FAULT32_REGISTERS, MB2_FAULT32, MB2_FIXED};
use images::report::{PayloadReport, TagBody};
use mbtool::host::Host;
use mbtool::image::Image;
use mbtool::plan::{Module, Plan, Request, plan};
use sha2::{Digest, Sha256};
use tests::dump::WholeDump;
use tests::payload_guest::{DEADLINE, GuestLoad, PayloadGuest, modules};
use tests::{DEBUG_EXIT, EndReason, Firmware, Machine, Outcome};

tests::cases! {
    a_corrupted_module_is_named_and_not_started: restored 4 s;
    a_corrupted_module_resets_the_machine_if_asked_to: restored 4 s;
    a_fault_in_long_mode_is_dumped: restored 4 s;
    a_fault_in_protected_mode_is_dumped: restored 4 s;
    a_fault_of_the_target_is_dumped: restored 4 s;
    without_a_console_the_handoff_is_silent_and_works: restored 4 s;
    an_absent_uart_does_not_stop_the_handoff: restored 4 s;
    a_damaged_handoff_says_so_and_starts_nothing: booted 8 s;
    it_is_verification_that_stops_a_damaged_module: booted 8 s;
}

const PORT: Console = Console::Pio {
    port: 0x3f8,
    divisor: Some(1),
};
const HALTED: &str = "[handoff] halted (--on-fault halt)";
/// Saved with the flags of a fault: the instruction would be resumed (Intel SDM vol. 3, 18.3.1.1).
const RESUME_FLAG: u64 = 1 << 16;

fn fixed() -> PayloadGuest {
    PayloadGuest::new("fixed", MB2_FIXED)
}

/// Checks that the handoff halted, without a reset and without further output.
fn halted(loaded: &GuestLoad) -> Result<()> {
    let outcome = &loaded.outcome;
    ensure!(
        outcome.reason == EndReason::Failure(HALTED.to_owned()) && outcome.ended.is_none(),
        "{}",
        outcome.describe()
    );
    assert_eq!(outcome.lines.last().map(String::as_str), Some(HALTED));
    assert!(!outcome.contains("MBTOOL-PAYLOAD"));
    Ok(())
}

fn not_started(loaded: &GuestLoad) {
    assert!(!loaded.outcome.contains("MBTOOL-PAYLOAD"));
    assert!(!loaded.outcome.contains("[handoff] jump to"));
}

/// Returns the contents of module 1 with the bit flipped by `--drill corrupt`.
fn damaged(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes[content.len() / 2] ^= 1;
    bytes
}

/// SHA-256 in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the handoff's expected line about module 1, with checksums computed
/// here.
fn complaint(loaded: &GuestLoad) -> Result<String> {
    let module = &modules()?[1];
    let segment = loaded.plan.segment("module 1: ")?;
    let expected = crc32fast::hash(&module.content);
    assert_eq!(segment.crc32, expected);
    Ok(format!(
        "[handoff] verify module 1: {} {:#010x}-{:#010x} {} bytes: BAD crc32, expected {expected:#010x}, \
         found {:#010x}",
        module.file,
        segment.start,
        segment.end,
        module.content.len(),
        crc32fast::hash(&damaged(&module.content))
    ))
}

fn a_corrupted_module_is_named_and_not_started() -> Result<()> {
    let guest = fixed().options(&["--drill", "corrupt=module 1"]);
    let loaded = guest.run("fault_corrupt", Some(HALTED))?;
    halted(&loaded)?;
    let lines = loaded.handoff();
    let complaint = complaint(&loaded)?;
    assert!(lines.contains(&&*complaint), "{complaint}\n{lines:#?}");
    let bad: Vec<_> = lines.iter().filter(|line| line.contains("BAD")).collect();
    assert_eq!(bad.len(), 1, "{lines:#?}");
    let good = lines.iter().filter(|line| line.ends_with(" ok")).count();
    assert!(
        good >= 4,
        "image, two modules, boot information: {lines:#?}"
    );
    assert!(lines.contains(&"[handoff] 1 segment(s) damaged: not starting it"));
    Ok(())
}

fn a_corrupted_module_resets_the_machine_if_asked_to() -> Result<()> {
    let guest = fixed().options(&["--drill", "corrupt=module 1", "--on-fault", "reset"]);
    let loaded = guest.run("fault_corrupt_reset", None)?;
    // QEMU ends at a reset (-no-reboot), with another status than a payload makes it end with
    let EndReason::Exited(status) = loaded.outcome.reason else {
        anyhow::bail!("{}", loaded.outcome.describe());
    };
    assert_eq!(status.code(), Some(0));
    not_started(&loaded);
    let lines = loaded.handoff();
    assert!(lines.contains(&&*complaint(&loaded)?), "{lines:#?}");
    assert_eq!(
        lines.last(),
        Some(&"[handoff] resetting the machine (--on-fault reset)")
    );
    Ok(())
}

/// Returns the dump, which is followed only by the requested end.
fn dump(loaded: &GuestLoad) -> Result<WholeDump> {
    let lines = loaded.handoff();
    let [.., end, halted] = lines[..] else {
        panic!("{lines:#?}")
    };
    assert!(end.starts_with(handoff::dump::END), "{end}");
    assert_eq!(halted, HALTED);
    WholeDump::parse(&loaded.outcome.lines).with_context(|| loaded.outcome.describe())
}

fn drill_dumps(drill: &str, test: &str) -> Result<WholeDump> {
    let guest = fixed().options(&["--drill", drill]);
    let loaded = guest.run(test, Some(HALTED))?;
    halted(&loaded)?;
    let dump = dump(&loaded)?;
    let handoff = loaded.plan.segment("handoff")?;
    let (rip, rsp) = (dump.register("rip")?, dump.register("rsp")?);
    assert!((handoff.start..handoff.end).contains(&rip), "{dump:x?}");
    assert!((handoff.start..handoff.end).contains(&rsp), "{dump:x?}");
    assert_eq!(dump.place()?.0, 6);
    assert_eq!(dump.code()[..2], [0x0f, 0x0b], "ud2");
    assert_eq!((dump.code().len(), dump.stack().len()), (16, 8));
    Ok(dump)
}

fn a_fault_in_long_mode_is_dumped() -> Result<()> {
    let dump = drill_dumps("fault-long", "fault_long")?;
    assert_eq!(dump.place()?, (6, "long", "fixups"));
    // docs/handoff-abi.md: PG WP NE ET MP PE, PAE OSFXSR OSXMMEXCPT MCE, NXE LMA LME SCE as Linux left it
    assert_eq!(dump.register("cr0")?, 0x8001_0033);
    assert_eq!(dump.register("cr4")?, 0x660);
    assert_eq!(dump.register("efer")? & 0xd00, 0xd00);
    dump.register("r15")?;
    Ok(())
}

fn a_fault_in_protected_mode_is_dumped() -> Result<()> {
    let dump = drill_dumps("fault-protected", "fault_protected")?;
    assert_eq!(dump.place()?, (6, "protected", "protected mode"));
    assert_eq!(dump.register("cr0")?, 0x11);
    assert_eq!((dump.register("cr4")?, dump.register("efer")?), (0x40, 0));
    assert_eq!((dump.register("cs")?, dump.register("ss")?), (0x08, 0x18));
    Ok(())
}

fn a_fault_of_the_target_is_dumped() -> Result<()> {
    let guest = PayloadGuest::new("fault32", MB2_FAULT32);
    let loaded = guest.run("fault_target", Some(HALTED))?;
    halted(&loaded)?;
    let dump = dump(&loaded)?;
    assert_eq!(dump.place()?, (6, "protected", "target"));
    let entry = loaded.plan.number("/exit/registers/eip")?;
    assert_eq!(dump.register("rip")?, entry + u64::from(FAULT32_OFFSET));
    assert_eq!(dump.code()[..2], [0x0f, 0x0b], "ud2");
    let names = ["rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi"];
    for (name, value) in names.into_iter().zip(FAULT32_REGISTERS) {
        assert_eq!(dump.register(name)?, u64::from(value), "{name}");
    }
    // registers that the payload did not change are as in the exit table of
    // docs/handoff-abi.md
    let area = loaded.plan.segment("handoff")?.start + u64::from(handoff::blob::header().area);
    let stack = offset_of!(Area, scratch.stack_target) + STACK_SIZE;
    assert_eq!(dump.register("rsp")?, area + stack as u64);
    assert_eq!(dump.register("rflags")? & !RESUME_FLAG, 0x2);
    for (name, value) in [
        ("cs", 0x08),
        ("ds", 0x18),
        ("es", 0x18),
        ("fs", 0x18),
        ("gs", 0x18),
        ("ss", 0x18),
        ("cr0", 0x11),
        ("cr3", 0),
        ("cr4", 0x40),
        ("efer", 0),
    ] {
        assert_eq!(dump.register(name)?, value, "{name}");
    }
    Ok(())
}

fn without_a_console_the_handoff_is_silent_and_works() -> Result<()> {
    let guest = fixed().options(&["--console", "none"]);
    let loaded = guest.run("fault_console_none", None)?;
    loaded.report()?;
    assert_eq!(loaded.handoff(), [""; 0]);
    Ok(())
}

/// COM4, which these machines do not have.
fn an_absent_uart_does_not_stop_the_handoff() -> Result<()> {
    let guest = fixed().options(&["--console", "pio:0x2e8,115200"]);
    let loaded = guest.run("fault_absent_uart", None)?;
    loaded.report()?;
    assert_eq!(loaded.handoff(), [""; 0]);
    Ok(())
}

/// A recorded machine with 1 GiB.
fn machine() -> Result<Host> {
    let map = include_bytes!("../../../mbtool/tests/data/qemu-pc-seabios.json");
    Ok(mbtool::host::replay::from_json(map)?)
}

/// Runs a plan made for [`machine`] with the launcher.
fn launched(name: &str, plan: &Plan) -> Result<Outcome> {
    let segments: Vec<launch::LaunchSegment<'_>> = plan
        .kernel_segments
        .iter()
        .map(|segment| (segment.dest.start, segment.dest.len(), &segment.data[..]))
        .collect();
    let dir = tempfile::tempdir()?;
    let launcher = dir.path().join("launcher");
    std::fs::write(&launcher, launch::kernel(launch::DEFAULT_BASE))?;
    Machine::new(Firmware::SeaBios, &launcher)
        .memory_mib(1024)
        .cpus(1)
        .initrd(launch::pack(&segments, plan.entry))
        .args(DEBUG_EXIT)
        .run(name, DEADLINE, &[HALTED])
}

fn a_damaged_handoff_says_so_and_starts_nothing() -> Result<()> {
    let mut request = Request::new(Image::parse(MB2_FIXED, "fixed")?);
    request.consoles = vec![PORT];
    let mut plan = plan(&request, &machine()?)?;
    plan.corrupt("handoff")?;
    let outcome = launched("fault_handoff", &plan)?.ended_with(HALTED)?;
    assert!(
        outcome.contains("[handoff] handoff itself is damaged: expected 0x"),
        "{}",
        outcome.describe()
    );
    assert!(!outcome.contains("[handoff] verify"));
    assert!(!outcome.contains("[handoff] jump to"));
    Ok(())
}

/// The same corruption with and without verification. The launcher enters the handoff in place of
/// Linux, since `--drill corrupt` is refused with `--verify none`.
fn it_is_verification_that_stops_a_damaged_module() -> Result<()> {
    let machine = machine()?;
    let module = &modules()?[1];
    let mut request = Request::new(Image::parse(MB2_FIXED, "fixed")?);
    request.consoles = vec![PORT];
    request.modules.push(Module {
        name: module.file.to_owned(),
        cmdline: String::new(),
        data: module.content.clone().into(),
    });
    for verify in [Verify::Crc32, Verify::Sha256, Verify::None] {
        request.verify = verify;
        let mut plan = plan(&request, &machine)?;
        plan.corrupt("module 0")?;
        let outcome = launched(&format!("fault_verify_{verify:?}"), &plan)?;
        let found = damaged(&module.content);
        let complaint = match verify {
            Verify::None => None,
            Verify::Crc32 => Some(format!(
                "BAD crc32, expected {:#010x}, found {:#010x}",
                crc32fast::hash(&module.content),
                crc32fast::hash(&found)
            )),
            Verify::Sha256 => Some(format!(
                "BAD sha256, expected {}, found {}",
                sha256(&module.content),
                sha256(&found)
            )),
        };
        assert_eq!(outcome.contains("BAD"), complaint.is_some());
        if let Some(complaint) = complaint {
            assert!(outcome.contains(&complaint), "{}", outcome.describe());
            outcome.ended_with(HALTED)?;
            continue;
        }
        let EndReason::Exited(status) = outcome.reason else {
            anyhow::bail!("{}", outcome.describe());
        };
        assert_eq!(status.code(), Some(EXIT_STATUS));
        let report = PayloadReport::parse(&outcome.lines.join("\n"))?;
        let mbi = report.mbi.context("no boot information")?;
        let digests: Vec<&String> = mbi
            .of_type(3)
            .filter_map(|body| match body {
                TagBody::Module { sha256, .. } => Some(sha256),
                _ => None,
            })
            .collect();
        assert_eq!(digests, [&sha256(&found)]);
    }
    Ok(())
}
