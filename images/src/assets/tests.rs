use std::fs;

use super::asset::numbers;
use super::path::resolve;
use super::*;

#[test]
fn versions_are_compared_number_by_number() {
    assert_eq!(numbers("7.3.4-1~bpo13+1"), [7, 3, 4]);
    assert!(numbers("7.10.1-1") > numbers("7.3.4"));
    assert!(numbers("7.3.4-2") == numbers("7.3.4"));
    assert!(numbers("7.3") < numbers("7.3.4"));
    assert!(LINUX_7.passed.is_some_and(|passed| numbers(passed)[0] == 7));
}

#[test]
fn a_prefix_matches_the_newest_version_of_the_series() {
    let root = tempfile::tempdir().unwrap();
    let boot = root.path().join("boot");
    fs::create_dir(&boot).unwrap();
    for name in [
        "vmlinuz-6.1.0-47-amd64",
        "vmlinuz-6.1.0-50-amd64",
        "vmlinuz-6.12.9-amd64",
    ] {
        fs::write(boot.join(name), "").unwrap();
    }
    let found = resolve(root.path(), LINUX_6_1.file).unwrap();
    assert_eq!(found, boot.join("vmlinuz-6.1.0-50-amd64"));
    let kernel = root.path().join("modules/7.2.12+deb13-amd64/vmlinuz");
    fs::create_dir_all(kernel.parent().unwrap()).unwrap();
    fs::write(&kernel, "").unwrap();
    for file in ["modules/7*/vmlinuz", "modules/*/vmlinuz"] {
        assert_eq!(resolve(root.path(), file).unwrap(), kernel);
    }
    let found = resolve(root.path(), "boot/vmlinuz-6.12*").unwrap();
    assert_eq!(found, boot.join("vmlinuz-6.12.9-amd64"));
    assert!(resolve(root.path(), XEN_4_17.file).is_err());
    assert!(resolve(root.path(), "boot/xen*").is_err());
}
