//! The JSON of `plan`, `inspect`, `decode` and `status` on recorded inputs, byte for byte: readers
//! of these documents have no other contract. `UPDATE_GOLDEN=1 cargo test -p mbtool --test golden`
//! updates tests/golden.
//!
//! The handoff's own code is not part of the contract: plans are compared without its digests,
//! dumps without its symbols.

mod messages;

use mbtool::cmd::{decode, status};
use mbtool::image::synth;
use mbtool::sys::output::{DataOutput, Messages};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

/// Compares `json` with tests/golden/`name`.json.
fn check(name: &str, json: &str) {
    compare(&format!("golden/{name}.json"), json);
}

/// Compares `text` with `file` in tests.
fn compare(file: &str, text: &str) {
    let path = here(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    let differs = text.lines().zip(golden.lines()).find(|(is, was)| is != was);
    assert!(text == golden, "{file}: {differs:?}");
}

/// Runs mbtool in `dir`; returns standard output, whatever the exit code.
fn mbtool(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mbtool"));
    let output = command.current_dir(dir).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.stdout.is_empty(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// A file recognized as Xen 4.17.7, with the header tags of Debian's.
fn xen() -> Vec<u8> {
    let mut load = synth::program(synth::xen_header(), 0x2000);
    for (at, sign) in [
        (0x1000, &b"----[ Xen-%d.%d%s  x86_64"[..]),
        (0x1100, b"Xen version %d.%d%s (%s@%s)"),
        (0x1200, b"\x004.17.7\0gcc 12\0"),
    ] {
        load[at..at + sign.len()].copy_from_slice(sign);
    }
    let elf = synth::ElfBuilder::elf32(0x20_0000);
    elf.load(0x20_0000, load, 0x3a_7000).build()
}

/// Images and modules, always the same.
fn files() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let relocatable = synth::HeaderBuilder::new()
        .words(1, &[4, 6, 14])
        .relocatable(0x10_0000, 0xffff_ffff, 0x1000, 1);
    for (name, bytes) in [
        ("xen", xen()),
        ("xen-like", synth::xen_like()),
        ("flat", synth::flat(0x40_0000)),
        ("pie", synth::pie(relocatable, &[0x10, 0x20])),
        ("mb1", synth::mb1_flat(0x40_0000)),
        ("pvh", {
            synth::pvh_kernel(&[synth::xen_note(18, &0x100_0040_u32.to_le_bytes())])
        }),
        ("vmlinuz", synth::bzimage()),
        ("dom0", synth::dom0_kernel(16 << 20, 74 << 20)),
        ("initrd", vec![3; 100_001]),
        ("image-arm64", synth::arm64_image(0x250_0000, b"")),
        ("xen-arm64", synth::xen_arm64()),
        ("garbage", vec![0x5a; 300]),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    for name in [
        "qemu-pc-seabios",
        "qemu-q35-ovmf",
        "qemu-virt-arm64",
        "bios-crash",
        "xen-dom0",
    ] {
        let name = format!("{name}.json");
        fs::copy(here("data").join(&name), dir.path().join(&name)).unwrap();
    }
    dir
}

/// A plan without the digests of the handoff.
fn plan(dir: &Path, args: &str) -> String {
    let args: Vec<&str> = ["plan", "--json"]
        .into_iter()
        .chain(args.split(' '))
        .collect();
    let text = mbtool(dir, &args);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let segments = json["segments"].as_array().unwrap();
    let handoff = segments.iter().find(|segment| segment["name"] == "handoff");
    let digests =
        ["crc32", "sha256"].map(|digest| handoff.and_then(|segment| segment[digest].as_str()));
    digests
        .into_iter()
        .flatten()
        // a handoff that this mbtool does not have
        .filter(|digest| *digest != "0x0")
        .fold(text.clone(), |text, digest| text.replace(digest, "..."))
}

/// Decoded dumps without the symbols of the handoff's own code, which are those of this build.
fn without_own_symbols(text: &str) -> String {
    const SYMBOL: &str = "\"symbol\": {";
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(SYMBOL) {
        let body = at + SYMBOL.len();
        let mut depth = 1;
        let end = rest[body..].find(|c| {
            depth += match c {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth == 0
        });
        let end = body + end.unwrap() + 1;
        let own = rest[at..end].contains("\"file\": \"handoff\"");
        out.push_str(if own { &rest[..at] } else { &rest[..end] });
        if own {
            out.push_str("\"symbol\": \"...\"");
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

#[test]
fn plans() {
    let dir = files();
    let dir = dir.path();
    let bios = "qemu-pc-seabios";
    let uefi = "qemu-q35-ovmf";
    for (name, machine, args) in [
        (
            "xen-bios",
            bios,
            "xen --cmdline console=com1 -m dom0 --initrd initrd",
        ),
        (
            "xen-uefi",
            uefi,
            "xen --cmdline console=com1 -m dom0 --initrd initrd --verify sha256",
        ),
        (
            "flat",
            bios,
            "flat --module-raw initrd -m dom0 --console com1+debugcon --guard",
        ),
        (
            "pie",
            uefi,
            "pie --mem-min 64M --console none --reuse-cmdline",
        ),
        ("mb1", bios, "mb1 -m initrd --on-fault reset"),
        ("pvh", bios, "pvh -m initrd"),
        (
            "linux-bios",
            bios,
            "vmlinuz --initrd initrd --reuse-cmdline --cmdline quiet",
        ),
        (
            "linux-uefi",
            uefi,
            "vmlinuz --initrd initrd --console mmio:0xfe030000,stride=4,width=32",
        ),
        (
            "crash-linux",
            "bios-crash",
            "-p vmlinuz --initrd initrd --reuse-cmdline",
        ),
        (
            "crash-xen",
            "bios-crash",
            "-p xen --cmdline console=com1 -m dom0 --initrd initrd",
        ),
        (
            "crash-flat",
            bios,
            "flat --crash-region 0x37000000-0x3f000000 --type multiboot2",
        ),
        (
            "arm64-linux",
            "qemu-virt-arm64",
            "image-arm64 --initrd initrd --reuse-cmdline --verify sha256",
        ),
        (
            "arm64-crash-linux",
            "qemu-virt-arm64",
            "image-arm64 --initrd initrd --cmdline panic=5 --crash-region 0x60000000-0x6c000000",
        ),
        (
            "arm64-xen",
            "qemu-virt-arm64",
            "xen-arm64 --cmdline dom0_mem=512M -m image-arm64 --initrd initrd",
        ),
        ("out-of-xen", "xen-dom0", "xen -m dom0 --initrd initrd"),
        (
            "linux-out-of-xen",
            "xen-dom0",
            "vmlinuz --initrd initrd --drill fault-long --console com1",
        ),
    ] {
        let args = format!("--memory-map {machine}.json {args}");
        check(&format!("plan/{name}"), &plan(dir, &args));
    }
}

#[test]
fn images() {
    let dir = files();
    let dir = dir.path();
    for name in [
        "xen",
        "xen-like",
        "flat",
        "pie",
        "mb1",
        "pvh",
        "vmlinuz",
        "dom0",
        "garbage",
        "image-arm64",
        "xen-arm64",
    ] {
        check(
            &format!("inspect/{name}"),
            &mbtool(dir, &["inspect", "--json", name]),
        );
    }
}

#[test]
fn dumps() {
    for name in [
        "arm64-external-abort",
        "arm64-linux-lpa2",
        "arm64-xen-data-abort",
        "drill-long",
        "drill-protected",
        "linux",
        "linux-7.2",
        "linux-oops",
        "linux-panics-after-handoff",
        "qemu-d-int-triple-fault",
        "riscv64-damaged-segment",
        "riscv64-load-page-fault",
        "target-ud2",
        "xen-boots",
        "xen-fatal-nmi",
        "xen-guard",
        "xen-panics-after-handoff",
    ] {
        let plan = here(&format!("data/decode/{name}.plan.json"));
        let options = decode::DecodeOptions {
            plan: plan.exists().then_some(plan),
            json: true,
            // no symbols of this machine
            root: Some(here("data/decode/none")),
            ..decode::DecodeOptions::default()
        };
        let log = fs::read(here(&format!("data/decode/{name}.log"))).unwrap();
        let mut out = Vec::new();
        decode::run_on(&options, &log, name, &mut out).unwrap();
        let json = String::from_utf8(out).unwrap();
        check(&format!("decode/{name}"), &without_own_symbols(&json));
    }
}

fn put(root: &Path, name: &str, content: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// sysfs and procfs of a BIOS machine with a crash region.
fn bios_machine(root: &Path) {
    for (index, (start, end, kind)) in [
        ("0x0", "0x9fbff", "System RAM"),
        ("0xf0000", "0xfffff", "Reserved"),
        ("0x100000", "0x7fffffff", "System RAM"),
    ]
    .iter()
    .enumerate()
    {
        for (name, text) in [("start", start), ("end", end), ("type", kind)] {
            let name = format!("sys/firmware/memmap/{index}/{name}");
            put(root, &name, format!("{text}\n").as_bytes());
        }
    }
    let mut mem = vec![0; 1 << 20];
    mem[0x40e..0x410].copy_from_slice(&[0xc0, 0x9f]);
    mem[0x413..0x415].copy_from_slice(&[0x7f, 0x02]);
    for (name, content) in [
        (
            "proc/iomem",
            &b"00100000-7fffffff : System RAM\n  6c000000-7bffffff : Crash kernel\n"[..],
        ),
        ("proc/cmdline", b"console=ttyS0 crashkernel=256M\n"),
        ("proc/self/status", b"CapEff:\t0000000000400000\n"),
        ("proc/sys/kernel/kexec_load_disabled", b"0\n"),
        ("sys/kernel/kexec_loaded", b"1\n"),
        ("sys/kernel/kexec_crash_loaded", b"0\n"),
        ("sys/kernel/kexec_crash_size", b"268435456\n"),
        (
            "sys/kernel/security/lockdown",
            b"none [integrity] confidentiality\n",
        ),
        ("sys/devices/system/cpu/cpu0/crash_notes", b"7d000000\n"),
        ("sys/devices/system/cpu/cpu0/crash_notes_size", b"372\n"),
        ("sys/kernel/vmcoreinfo", b"1886000 1024\n"),
        ("dev/mem", &mem),
    ] {
        put(root, name, content);
    }
}

#[test]
fn machines() {
    let report = |root: &Path| {
        let mut out = Vec::new();
        let options = status::StatusOptions { json: true };
        status::run(
            options,
            root,
            &mut DataOutput::new(&mut out),
            &mut Messages::new(io::sink()),
        );
        let text = String::from_utf8(out).unwrap();
        text.replace(root.to_str().unwrap(), "")
    };
    let bios = tempfile::tempdir().unwrap();
    bios_machine(bios.path());
    check("status/bios", &report(bios.path()));
    let dom0 = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("sys/hypervisor/type", "xen\n"),
        ("sys/hypervisor/guest_type", "PV\n"),
        ("proc/xen/capabilities", "control_d\n"),
    ] {
        put(dom0.path(), name, text.as_bytes());
    }
    check("status/dom0", &report(dom0.path()));
}

/// Two --initrd become one segment, with the microcode first.
#[test]
fn several_initrds_are_joined() {
    let dir = files();
    fs::write(dir.path().join("second"), [9; 10]).unwrap();
    let machine = here("data/qemu-q35-ovmf.json");
    let args = [
        "plan",
        "--json",
        "--memory-map",
        machine.to_str().unwrap(),
        "--initrd",
        "initrd",
        "--initrd",
        "second",
        "vmlinuz",
    ];
    let plan: serde_json::Value = serde_json::from_str(&mbtool(dir.path(), &args)).unwrap();
    let part = |name: &str, offset: u64, bytes: u64| serde_json::json!({"name": name, "offset": offset, "bytes": bytes, "early": false});
    let parts = [part("initrd", 0, 100_001), part("second", 100_004, 10)];
    assert_eq!(plan["initrd_parts"], serde_json::json!(parts));
    let is_initrd = |segment: &&serde_json::Value| {
        let name = segment["name"].as_str().unwrap();
        name.starts_with("initrd: ")
    };
    let segments = plan["segments"].as_array().unwrap();
    let initrds: Vec<_> = segments.iter().filter(is_initrd).collect();
    assert_eq!(initrds.len(), 1, "{segments:?}");
    assert_eq!(initrds[0]["name"], "initrd: initrd+second");
}
