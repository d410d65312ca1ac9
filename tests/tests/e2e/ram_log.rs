//! A fault between two kernels, with no console connected: the log in RAM survives the reset, and
//! the next Linux reads it. The same text is on COM1, a PCI card and the debug port.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::assets::{self, BUSYBOX, OVMF, QEMU};
use images::guest::Stage1;
use images::payloads::MB2_FIXED;
use tests::dump::{HANDOFF, WholeDump};
use tests::{FIRST_LINUX, Firmware, Machine, attempt, mbtool_bin, target_dir};

tests::cases! {
    a_log_in_ram_survives_a_reset_on_seabios: booted 10 s;
    a_log_in_ram_survives_a_reset_on_ovmf: booted 10 s;
}

const DEADLINE: Duration = Duration::from_secs(180);

/// Runs at both boots of the machine; the log shows which one it is.
const SCRIPT: &str = r"
attempt log mbtool decode --ram-log auto
if mbtool decode --ram-log auto >/tmp/log 2>/tmp/stderr; then
	show log /tmp/log
	show stderr /tmp/stderr
	attempt json mbtool decode --json --ram-log 0x10000000
	attempt elsewhere mbtool decode --ram-log 0x100000
	exit 0
fi
mbtool status --json >/tmp/status
show status /tmp/status
mbtool load --console com1+pci:00:05.0 --console debugcon+ramlog --drill fault-protected --on-fault reset /fixed \
	2>/tmp/load
show load /tmp/load
mbtool exec -f
";

fn survives_a_reset(firmware: Firmware, name: &str) -> Result<()> {
    let mut wanted = vec![&BUSYBOX, FIRST_LINUX, &QEMU];
    if firmware == Firmware::Ovmf {
        wanted.push(&OVMF);
    }
    assets::require(&wanted)?;
    let initrd = attempt::install(Stage1::new(SCRIPT)?)?
        .file("bin/mbtool", mbtool_bin()?)?
        .bytes("fixed", MB2_FIXED)?
        .finish()?;
    let outcome = Machine::stage1(firmware, initrd)?
        .append("memmap=64K$0x10000000")
        .reboots()
        .args(["-chardev", "file,id=card,path=card.log"])
        .args(["-device", "pci-serial,chardev=card,addr=5"])
        .args(["-debugcon", "file:debugcon.log"])
        .run(name, DEADLINE, &["MBTOOL-STAGE1 END"])?
        .ended_with("MBTOOL-STAGE1 END")?;

    let load = attempt::file(&outcome, "load")?;
    for part in [
        "(PCI function 0000:00:05.0)",
        "ramlog:0x10000000,size=0x10000 (memory reserved by the running kernel's memmap=)",
    ] {
        assert!(load.contains(part), "{part}: {load}");
    }
    assert!(!load.contains("does not answer"), "{load}");
    let status: serde_json::Value = serde_json::from_str(&attempt::file(&outcome, "status")?)?;
    assert_eq!(status["serial"]["pci"][0]["address"], "0000:00:05.0");

    // before: no log; after: the dump, the same everywhere
    let attempts = attempt::attempts(&outcome)?;
    let named = |name: &str| {
        let found = attempts.iter().find(|attempt| attempt.name == name);
        found.with_context(|| format!("no attempt {name}"))
    };
    let first = named("log")?;
    assert_eq!(first.status, 1);
    assert!(
        first.stderr.contains("no RAM log at 0x10000000"),
        "{}",
        first.stderr
    );
    let log = attempt::file(&outcome, "log")?;
    let lines: Vec<String> = log.lines().map(str::to_owned).collect();
    let printed: Vec<&String> = lines
        .iter()
        .filter(|line| line.starts_with(HANDOFF))
        .collect();
    ensure!(printed.len() > 10, "{log}");
    let end = "[handoff] resetting the machine (--on-fault reset)";
    assert_eq!(printed.last().map(|line| line.as_str()), Some(end));
    let dump: Vec<String> = printed.iter().map(|line| (*line).clone()).collect();
    let dump = WholeDump::parse(&dump)?;
    let (vector, mode, _) = dump.place()?;
    assert_eq!((vector, mode), (6, "protected"));

    // COM1 has it twice: printed by the handoff, and read back
    let com1 = outcome
        .lines
        .iter()
        .filter(|line| line.starts_with(HANDOFF));
    let com1: Vec<&String> = com1.take(printed.len()).collect();
    assert_eq!(com1, printed);
    for file in ["card.log", "debugcon.log"] {
        let path = target_dir().join("e2e").join(name).join(file);
        let text = String::from_utf8_lossy(&fs::read(path)?).into_owned();
        // firmware writes to the debug port too
        let text = text
            .find("[handoff]")
            .map(|at| &text[at..])
            .unwrap_or_default();
        let handoff = text.split("\r\n").filter(|line| line.starts_with(HANDOFF));
        let handoff: Vec<&str> = handoff.collect();
        assert_eq!(handoff, printed, "{file}");
    }

    // explained, counted, and as JSON
    let explanation: Vec<_> = lines
        .iter()
        .skip_while(|line| *line != end)
        .skip(1)
        .collect();
    assert!(
        explanation
            .iter()
            .any(|line| line.contains("invalid opcode")),
        "{log}"
    );
    let stderr = attempt::file(&outcome, "stderr")?;
    assert!(
        stderr.contains("RAM log at 0x10000000: 1 handoff(s)"),
        "{stderr}"
    );
    let json = &named("json")?.stdout;
    let json: serde_json::Value = serde_json::from_str(json)?;
    assert_eq!(json["dumps"].as_array().map(Vec::len), Some(1), "{json}");
    // memory used by the kernel is not readable, and the message has a fix
    let elsewhere = named("elsewhere")?;
    assert_eq!(elsewhere.status, 1);
    assert!(elsewhere.stderr.contains("memmap="), "{}", elsewhere.stderr);
    Ok(())
}

fn a_log_in_ram_survives_a_reset_on_seabios() -> Result<()> {
    survives_a_reset(Firmware::SeaBios, "ram_log_seabios")
}

fn a_log_in_ram_survives_a_reset_on_ovmf() -> Result<()> {
    survives_a_reset(Firmware::Ovmf, "ram_log_ovmf")
}
