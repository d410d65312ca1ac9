//! The first stage only: Linux boots in QEMU on both firmwares and runs mbtool, and a failing
//! command is reported.

use std::time::Duration;

use anyhow::Result;
use images::guest::Stage1;
use tests::{EndReason, Firmware, Machine, mbtool_bin};

tests::cases! {
    linux_boots_on_seabios: booted 10 s;
    linux_boots_on_ovmf: booted 10 s;
    a_failing_command_ends_the_run: restored 5 s;
}

const DEADLINE: Duration = Duration::from_secs(90);

fn linux_boots(firmware: Firmware, name: &str, efi: &str) -> Result<()> {
    let initrd = Stage1::new("mbtool --version\nls /sys/firmware/acpi/tables\n")?
        .file("bin/mbtool", mbtool_bin()?)?
        .finish()?;
    let outcome = Machine::stage1(firmware, initrd)?
        .cpus(2)
        .run(name, DEADLINE, &["MBTOOL-STAGE1 END"])?
        .ended_with("MBTOOL-STAGE1 END")?;
    let start = outcome.value("MBTOOL-STAGE1 START ").unwrap_or_default();
    assert!(
        start.starts_with("linux=6.12.") && start.ends_with(&format!("cpus=2 efi={efi}")),
        "{start}"
    );
    let version = format!("mbtool {}", env!("CARGO_PKG_VERSION"));
    assert!(outcome.lines.contains(&version), "{}", outcome.describe());
    assert!(outcome.contains("FACP"), "{}", outcome.describe());
    Ok(())
}

fn linux_boots_on_seabios() -> Result<()> {
    linux_boots(Firmware::SeaBios, "linux_boots_on_seabios", "no")
}

fn linux_boots_on_ovmf() -> Result<()> {
    linux_boots(Firmware::Ovmf, "linux_boots_on_ovmf", "yes")
}

fn a_failing_command_ends_the_run() -> Result<()> {
    let initrd = Stage1::new("true\nsh -c 'exit 7'\necho not reached\n")?.finish()?;
    let outcome = Machine::stage1(Firmware::SeaBios, initrd)?.run(
        "a_failing_command_ends_the_run",
        DEADLINE,
        &["not reached"],
    )?;
    assert_eq!(
        outcome.reason,
        EndReason::Failure("MBTOOL-STAGE1 FAIL rc=7".to_owned())
    );
    assert!(
        outcome
            .describe()
            .contains("MBTOOL-STAGE1 + sh -c 'exit 7'"),
        "{}",
        outcome.describe()
    );
    Ok(())
}
