use super::*;
use crate::host::firmware::tests::write_memmap;
use crate::host::kexec_state::Lockdown;
use crate::host::low_memory::tests::{Mib, rsdp};
use crate::host::read;
use crate::sys::testing::put;
use xen_shim::fix::Fix;
use xen_shim::hypercall::HypercallError;

fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let at = root.path();
    write_memmap(
        at,
        &[
            (0x0, 0x9fbff, "System RAM"),
            (0xf0000, 0xfffff, "Reserved"),
            (0x100000, 0x7fffffff, "System RAM"),
        ],
    );
    put(
        at,
        "proc/iomem",
        "00100000-7fffffff : System RAM\n  6c000000-7bffffff : Crash kernel\n",
    );
    put(at, "proc/cmdline", "console=ttyS0\n");
    put(at, "sys/kernel/kexec_loaded", "1\n");
    put(at, "sys/kernel/kexec_crash_loaded", "0\n");
    put(at, "sys/kernel/kexec_crash_size", "268435456\n");
    let mem = Mib::new()
        .with(0x40e, &[0xc0, 0x9f, 0, 0, 0, 0x7f, 2])
        .with(0xf5a80, &rsdp(0));
    put(at, "dev/mem", mem.0);
    root
}

fn go(json: bool, root: &Path) -> (String, String) {
    let (mut out, mut messages) = (vec![], vec![]);
    let options = StatusOptions { json };
    run(
        options,
        root,
        &mut DataOutput::new(&mut out),
        &mut Messages::new(&mut messages),
    );
    (
        String::from_utf8(out).unwrap(),
        String::from_utf8(messages).unwrap(),
    )
}

#[test]
fn json_is_a_memory_map_for_plan() {
    let root = machine();
    let (out, messages) = go(true, root.path());
    assert_eq!(messages, "");
    let (mut host, _) = read(root.path()).unwrap();
    // ACPI tables are not recorded
    host.acpi = Default::default();
    assert_eq!(
        crate::host::replay::from_json(out.as_bytes()).unwrap(),
        host
    );
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["loaded"], true);
    assert_eq!(value["crash_loaded"], false);
    assert_eq!(value["crash_size"], 256 << 20);
    assert_eq!(value["under"], "bare");
    assert_eq!(value["lockdown"], "none");
    assert_eq!(value["firmware"], "bios");
    assert!(value["kexec_load_disabled"].is_null());
    assert_eq!(value["warnings"], serde_json::json!([]));
}

#[test]
fn text_has_the_same_facts() {
    let (out, _) = go(false, machine().path());
    assert_eq!(
        out,
        "\
image            loaded
crash image      not loaded
crash region     0x6c000000-0x7c000000 (256 MiB)
running under    bare Linux
firmware         BIOS
lockdown         none
loading          permitted
memory           2047 MiB RAM, 1 other ranges
EBDA             0x9fc00
base memory      639 KiB
ACPI RSDP        0xf5a80, revision 0, found by a scan of low memory
"
    );
}

#[test]
fn a_machine_without_files_has_a_status_too() {
    let root = tempfile::tempdir().unwrap();
    put(
        root.path(),
        "sys/kernel/security/lockdown",
        "none [integrity] confidentiality",
    );
    put(root.path(), "sys/hypervisor/type", "xen\n");
    put(root.path(), "sys/hypervisor/guest_type", "PV\n");
    put(root.path(), "proc/xen/capabilities", "control_d\n");
    let (out, messages) = go(false, root.path());
    // devices of this machine are not accessed
    let value = |key: &str| {
        let lines: Vec<_> = out
            .lines()
            .filter_map(|line| line.strip_prefix(key))
            .collect();
        assert_eq!(lines.len(), 1, "{out}");
        lines[0].trim()
    };
    let under = Hypervisor::XenPvDom0.to_string();
    assert_eq!(value("running under "), under);
    assert_eq!(value("lockdown "), Lockdown::Integrity.to_string());
    let no_device = HypercallError::NoDevice.statement();
    assert!(value("loading ").contains(&no_device), "{out}");
    let (out, _) = go(true, root.path());
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["under"], "xen-pv-dom0");
    assert!(value.get("memory_map").is_none());
    // the reasons
    let warnings = value["warnings"].as_array().unwrap();
    let warnings = warnings.iter().map(|text| text.as_str().unwrap());
    let warnings: Vec<_> = warnings
        .map(|text| format!("mbtool: warning: {text}"))
        .collect();
    assert_eq!(messages.lines().collect::<Vec<_>>(), warnings);
    assert!(warnings[0].contains("sys/firmware/memmap"), "{messages}");
}
