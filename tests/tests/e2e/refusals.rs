//! Refusals of mbtool in a running Linux: exit code, message, and that the previously loaded image
//! is kept.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use images::assets::{self, BUSYBOX, LINUX_6_1, QEMU, XEN_4_17};
use images::guest::Stage1;
use images::payloads::{EXIT_STATUS, MB2_FIXED};
use images::report::{PayloadReport, TagBody};
use mbtool::image::synth::{ElfBuilder, HeaderBuilder, SynthSegment, program, words_to_bytes};
use serde_json::{Value, json};
use tests::attempt::{self, Attempt, attempts};
use tests::payload_guest::DEADLINE;
use tests::{DEBUG_EXIT, EndReason, Firmware, Machine, mbtool_bin};

mod cases;

use cases::{Case, DISABLED, REFUSED, USAGE, case};

tests::cases! {
    refusals_keep_the_image_that_is_loaded: booted 10 s;
    lockdown_is_named: booted 10 s;
}

fn script(cases: &[Case]) -> String {
    cases
        .iter()
        .map(|case| format!("attempt {} {}\n", case.name, case.command))
        .collect()
}

/// A small image at 2 MiB with these header tags.
fn image(header: HeaderBuilder) -> Vec<u8> {
    ElfBuilder::elf32(0x20_0100)
        .load(0x20_0000, program(header, 0x400), 0x1000)
        .build()
}

/// Segments at each multiple of 1 MiB from 2 MiB on, not adjacent.
fn seventeen_segments() -> Vec<u8> {
    let mut elf = ElfBuilder::elf32(0x20_0100);
    for index in 0..17 {
        let data = if index == 0 {
            program(HeaderBuilder::new(), 0x400)
        } else {
            vec![0xf4; 0x400]
        };
        elf = elf.segment(SynthSegment::load(
            0x20_0000 + index * 0x10_0000,
            data,
            0x1000,
        ));
    }
    elf.build()
}

fn stage(script: &str) -> Result<Stage1> {
    attempt::install(Stage1::new(&format!("cd /files\n{script}"))?)?
        .file("bin/mbtool", mbtool_bin()?)?
        .bytes("etc/passwd", b"nobody:x:65534:65534::/:/bin/sh\n")?
        .bytes("files/fixed", MB2_FIXED)
}

/// The attempts by name.
fn by_name(outcome: &tests::Outcome) -> Result<BTreeMap<String, Attempt>> {
    let list = attempts(outcome)?;
    let count = list.len();
    let map: BTreeMap<String, Attempt> = list
        .into_iter()
        .map(|attempt| (attempt.name.clone(), attempt))
        .collect();
    ensure!(map.len() == count, "two attempts have one name");
    Ok(map)
}

/// Checks `cases`, and collects all failures.
fn check(
    cases: &[Case],
    found: &BTreeMap<String, Attempt>,
    status: i32,
    loaded: bool,
) -> Result<()> {
    let mut wrong = Vec::new();
    for case in cases {
        let attempt = found
            .get(case.name)
            .with_context(|| format!("{} was not tried", case.name))?;
        let missing: Vec<_> = case
            .prints
            .iter()
            .filter(|part| !attempt.stderr.contains(**part))
            .collect();
        // usage errors are printed by clap
        let own = status == 2
            || attempt
                .stderr
                .lines()
                .any(|line| line.starts_with("mbtool: "));
        let right =
            attempt.status == status && attempt.loaded == loaded && attempt.stdout.is_empty();
        if !(right && own && missing.is_empty()) {
            wrong.push(format!("missing {missing:?} in {attempt:#?}"));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Checks exit code, loaded state, and a part of the output.
fn succeeded(
    found: &BTreeMap<String, Attempt>,
    name: &str,
    loaded: bool,
    prints: &str,
) -> Result<()> {
    let attempt = found
        .get(name)
        .with_context(|| format!("{name} was not tried"))?;
    let printed = attempt.stdout.contains(prints) || attempt.stderr.contains(prints);
    ensure!(
        (attempt.status, attempt.loaded, printed) == (0, loaded, true),
        "expected loaded={loaded} and {prints:?}: {attempt:#?}"
    );
    Ok(())
}

/// The values that `status --json` has for these keys, as a list.
fn status(found: &BTreeMap<String, Attempt>, name: &str, keys: &[&str]) -> Result<Value> {
    let attempt = found
        .get(name)
        .with_context(|| format!("{name} was not tried"))?;
    let json: Value = serde_json::from_str(&attempt.stdout).with_context(|| name.to_owned())?;
    Ok(keys.iter().map(|key| json[key].clone()).collect())
}

fn refusals_keep_the_image_that_is_loaded() -> Result<()> {
    assets::require(&[&BUSYBOX, &LINUX_6_1, &XEN_4_17, &QEMU])?;
    let xen = std::fs::read(XEN_4_17.path()?)?;
    let linux = std::fs::read(LINUX_6_1.path()?)?;
    let script = format!(
        "attempt exec_nothing mbtool exec -f\n\
         attempt unload_nothing mbtool unload\n\
         attempt status_none mbtool status\n\
         attempt json_none mbtool status --json\n\
         attempt dry_run mbtool load --dry-run fixed\n\
         attempt load_first mbtool load fixed\n\
         attempt status_first mbtool status\n\
         attempt json_first mbtool status --json\n\
         attempt unload mbtool unload\n\
         attempt load_again mbtool load fixed\n\
         {}{}\
         attempt plan_nobody su nobody -s /bin/sh -c 'mbtool plan /files/fixed'\n\
         attempt load_over mbtool load --cmdline 'the last one' fixed\n\
         echo 1 >/proc/sys/kernel/kexec_load_disabled\n\
         {}\
         attempt json_disabled mbtool status --json\n\
         mbtool exec -f\n",
        script(REFUSED),
        script(USAGE),
        script(DISABLED)
    );
    let initrd = stage(&script)?
        .file("files/vmlinuz", LINUX_6_1.path()?)?
        .bytes("files/xen.gz", &xen)?
        .bytes("files/cut-linux", &linux[..100_000])?
        .bytes("files/cut.gz", &xen[..400_000])?
        .bytes("files/empty", b"")?
        .bytes("files/text", b"just text, no kernel\n")?
        .bytes("files/big", &vec![0x5a; 2 << 20])?
        .bytes(
            "files/unknown-tag",
            &image(HeaderBuilder::new().words(30583, &[1])),
        )?
        .bytes(
            "files/wants-efi-map",
            &image(HeaderBuilder::new().tag(1, 0, &words_to_bytes(&[17]))),
        )?
        .bytes("files/17-segments", &seventeen_segments())?
        .bytes(
            "files/in-rom",
            &ElfBuilder::elf32(0xf_0100)
                .load(0xf_0000, program(HeaderBuilder::new(), 0x400), 0x1000)
                .build(),
        )?
        .finish()?;
    let outcome = Machine::stage1(Firmware::SeaBios, initrd)?
        .memory_mib(5120)
        .args(DEBUG_EXIT)
        .run("refusals", DEADLINE, &[])?;
    let found = by_name(&outcome).with_context(|| outcome.describe())?;

    check(
        &[case(
            "exec_nothing",
            "",
            &["no image is loaded", "mbtool load"],
        )],
        &found,
        1,
        false,
    )?;
    succeeded(&found, "unload_nothing", false, "no image was loaded")?;
    succeeded(&found, "status_none", false, "not loaded")?;
    succeeded(&found, "dry_run", false, "nothing loaded")?;
    succeeded(&found, "load_first", true, "image loaded")?;
    succeeded(&found, "status_first", true, "image            loaded\n")?;
    succeeded(&found, "unload", false, "image unloaded")?;
    succeeded(&found, "load_again", true, "image loaded")?;
    succeeded(&found, "plan_nobody", true, "handoff")?;
    succeeded(&found, "load_over", true, "replacing the previous one")?;
    let keys = &[
        "loaded",
        "crash_loaded",
        "kexec_load_disabled",
        "cap_sys_boot",
    ];
    for (name, loaded, disabled) in [
        ("json_none", false, false),
        ("json_first", true, false),
        ("json_disabled", true, true),
    ] {
        let want = json!([loaded, false, disabled, true]);
        assert_eq!(status(&found, name, keys)?, want, "{name}");
    }
    check(REFUSED, &found, 1, true)?;
    check(USAGE, &found, 2, true)?;
    check(DISABLED, &found, 1, true)?;

    // the last loaded image is intact
    let EndReason::Exited(status) = outcome.reason else {
        anyhow::bail!("{}", outcome.describe());
    };
    ensure!(status.code() == Some(EXIT_STATUS), "{}", outcome.describe());
    above_4_gib(&PayloadReport::parse(&outcome.lines.join("\n"))?)
}

/// Checks that the payload has its command line, and the memory above 4 GiB.
fn above_4_gib(report: &PayloadReport) -> Result<()> {
    let mbi = report.mbi.as_ref().context("no boot information")?;
    let cmdline = TagBody::Cmdline {
        text: "the last one".into(),
        terminated: true,
    };
    assert_eq!(mbi.of_type(1).collect::<Vec<_>>(), [&cmdline]);
    let Some(TagBody::Mmap { entries, .. }) = mbi.of_type(6).next() else {
        anyhow::bail!("no memory map: {mbi:?}");
    };
    let high = entries
        .iter()
        .filter(|entry| entry.base >= 1 << 32 && entry.r#type == 1);
    assert!(
        high.map(|entry| entry.length).sum::<u64>() >= 1 << 30,
        "{entries:x?}"
    );
    let crossing = entries
        .iter()
        .find(|entry| entry.base < 1 << 32 && entry.base + entry.length > 1 << 32);
    assert_eq!(crossing, None);
    Ok(())
}

fn lockdown_is_named() -> Result<()> {
    assets::require(&[&BUSYBOX, &LINUX_6_1, &QEMU])?;
    let script = "attempt unseen mbtool load fixed\n\
         mount -t securityfs securityfs /sys/kernel/security\n\
         attempt seen mbtool load fixed\n\
         attempt json mbtool status --json\n\
         attempt status mbtool status\n\
         attempt exec mbtool exec -f\n\
         attempt plan mbtool plan fixed\n";
    let outcome = Machine::stage1(Firmware::SeaBios, stage(script)?.finish()?)?
        .append("lockdown=integrity")
        .run("refusals_lockdown", DEADLINE, &["MBTOOL-STAGE1 END"])?
        .ended_with("MBTOOL-STAGE1 END")?;
    let found = by_name(&outcome)?;
    let cases = [
        // without securityfs the reason is unknown
        case("unseen", "", &["/sys/kernel/security", "lockdown"]),
        case(
            "seen",
            "",
            &["kernel lockdown is on ([integrity])", "remove lockdown="],
        ),
        case("exec", "", &["no image is loaded"]),
    ];
    check(&cases, &found, 1, false)?;
    let keys = &["loaded", "lockdown", "kexec", "cap_sys_boot"];
    let want = json!([false, "integrity", true, true]);
    assert_eq!(status(&found, "json", keys)?, want);
    succeeded(&found, "status", false, "integrity")?;
    succeeded(&found, "status", false, "refused: kernel lockdown is on")?;
    succeeded(&found, "plan", false, "handoff")
}
