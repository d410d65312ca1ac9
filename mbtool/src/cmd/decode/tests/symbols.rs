//! Symbol files, searched by build ID and by name.

use super::*;
use crate::decode::build_id::tests::program;

/// The symbols of that Xen, found by the build ID in its banner.
#[test]
fn symbols_are_found_by_build_id() {
    let id: Vec<u8> = (0..20)
        .map(|at| {
            u8::from_str_radix(
                &"576c0736b3e38388c5afe9aaccc43a18d514e88e"[2 * at..][..2],
                16,
            )
            .unwrap()
        })
        .collect();
    let symbols = [
        ("clear_page", 0xffff_82d0_4021_6240),
        ("__start_xen", 0xffff_82d0_4021_6250),
        ("__high_start", 0xffff_82d0_4021_6258),
    ];
    let mut code = vec![0xb9, 0x80, 0, 0, 0, 0x31, 0xc0];
    code.extend([
        0x48, 0x0f, 0xc3, 0x07, 0x48, 0x0f, 0xc3, 0x47, 0x08, 0x48, 0x0f, 0xc3, 0x47, 0x10, 0x48,
        0x0f, 0x90, 0x90,
    ]);
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("usr/lib/debug/.build-id/57");
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join("6c0736b3e38388c5afe9aaccc43a18d514e88e.debug");
    fs::write(&file, program(0xffff_82d0_4021_6240, &code, &symbols, &id)).unwrap();
    let options = DecodeOptions {
        root: Some(root.path().to_owned()),
        ..DecodeOptions::default()
    };
    let log = recorded("xen-panics-after-handoff.log", &options);
    let dump = &log["dumps"][0];
    assert_eq!(
        (
            &dump["addresses"][0]["symbol"]["name"],
            &dump["addresses"][0]["symbol"]["offset"]
        ),
        (&"clear_page".into(), &7.into())
    );
    assert_eq!(dump["calls"][0]["symbol"]["name"], "clear_page");
    assert_eq!(dump["notes"], serde_json::json!([]));
    assert_eq!(log["build_ids"][0]["file"], file.display().to_string());
    // another build: a note
    fs::remove_file(&file).unwrap();
    let other = root.path().join("xen-syms");
    fs::write(
        &other,
        program(0xffff_82d0_4021_6240, &code, &symbols, &[1; 20]),
    )
    .unwrap();
    let options = DecodeOptions {
        symbols: vec![SymbolArg {
            path: other,
            base: None,
        }],
        ..options
    };
    let log = recorded("xen-panics-after-handoff.log", &options);
    let note = log["dumps"][0]["notes"][0].as_str().unwrap();
    assert!(
        note.contains("xen-syms is of another build") && note.contains("0101010101"),
        "{note}"
    );
    assert_eq!(log["build_ids"][0]["file"], serde_json::Value::Null);
}

/// The file with names of that Linux, moved by KASLR.
#[test]
fn functions_of_linux_are_found_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let vmlinux = dir.path().join("vmlinux");
    let symbols = [
        ("panic", 0xffff_ffff_8100_0000),
        ("kernel_init", 0xffff_ffff_8100_0200),
    ];
    fs::write(
        &vmlinux,
        program(0xffff_ffff_8100_0000, &[0x90; 0x300], &symbols, &[1; 20]),
    )
    .unwrap();
    let options = DecodeOptions {
        symbols: vec![SymbolArg {
            path: vmlinux,
            base: None,
        }],
        ..DecodeOptions::default()
    };
    let log = recorded("linux-panics-after-handoff.log", &options);
    let calls = &log["dumps"][0]["calls"];
    let slide = 0x2280_0000_u64;
    assert_eq!(
        calls[1]["address"],
        format!("{:#x}", 0xffff_ffff_8100_0118 + slide)
    );
    assert_eq!(
        (&calls[1]["symbol"]["name"], &calls[1]["symbol"]["offset"]),
        (&"panic".into(), &0x118.into())
    );
    assert_eq!(calls[6]["symbol"]["linked_at"], 0xffff_ffff_8100_0216_u64);
    assert_eq!(
        (&calls[0]["address"], &calls[0]["symbol"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
}
