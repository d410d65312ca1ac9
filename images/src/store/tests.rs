use std::cell::Cell;

use anyhow::bail;

use super::manifest::FORMAT;
use super::prune::fits;
use super::*;
use crate::debian::Packages;
use crate::digest::Sha256Digest;

const RECIPE: Recipe = Recipe {
    name: "thing",
    suite: "bookworm",
    packages: Packages::Single("thing"),
    keep: &["usr/share/thing", "boot/thing-*"],
};

/// A fake of the network: writes a tree, and counts the calls.
struct Source(Cell<u32>);

impl Source {
    fn open(&self, store: &Path, recipe: &Recipe) -> Result<PathBuf> {
        let entry = open_in(store, recipe, |_, root| {
            self.0.set(self.0.get() + 1);
            for (path, bytes) in [
                ("usr/share/thing/data", "data"),
                ("usr/share/doc/readme", "junk"),
                ("boot/thing-1.0.gz", "gz"),
                ("boot/other", "junk"),
            ] {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap())?;
                fs::write(path, bytes)?;
            }
            std::os::unix::fs::symlink("data", root.join("usr/share/thing/link"))?;
            Ok(vec![Origin {
                name: "thing".into(),
                version: "1.0".into(),
                sha256: Sha256Digest::of(b"deb"),
            }])
        })?;
        assert_eq!(entry.version(), Some("1.0"));
        let shown = format!("thing 1.0, SHA-256 {}", Sha256Digest::of(b"deb"));
        assert_eq!(entry.to_string(), shown);
        Ok(entry.root)
    }
}

#[test]
fn fetched_once_then_reused_without_the_source() {
    let store = tempfile::tempdir().unwrap();
    let source = Source(Cell::new(0));
    let first = source.open(store.path(), &RECIPE).unwrap();
    let second = source.open(store.path(), &RECIPE).unwrap();
    assert_eq!(first, second);
    assert_eq!(source.0.get(), 1);
    assert_eq!(
        fs::read(first.join("usr/share/thing/data")).unwrap(),
        b"data"
    );
    assert!(first.join("boot/thing-1.0.gz").exists());
    assert!(!first.join("usr/share/doc").exists());
    assert!(!first.join("boot/other").exists());
}

#[test]
fn damage_is_detected_and_repaired() {
    type Harm = fn(&Path) -> std::io::Result<()>;
    let harms: [Harm; 5] = [
        |root| fs::write(root.join("usr/share/thing/data"), "dat4"),
        |root| fs::remove_file(root.join("boot/thing-1.0.gz")),
        |root| fs::remove_file(root.join("usr/share/thing/link")),
        |root| fs::write(root.parent().unwrap().join("manifest"), FORMAT),
        |root| fs::remove_file(root.parent().unwrap().join("manifest")),
    ];
    for (index, harm) in harms.iter().enumerate() {
        let store = tempfile::tempdir().unwrap();
        let source = Source(Cell::new(0));
        let root = source.open(store.path(), &RECIPE).unwrap();
        harm(&root).unwrap();
        let again = source.open(store.path(), &RECIPE).unwrap();
        assert_eq!(source.0.get(), 2, "harm {index} went unseen");
        assert_eq!(
            fs::read(again.join("usr/share/thing/data")).unwrap(),
            b"data"
        );
        source.open(store.path(), &RECIPE).unwrap();
        assert_eq!(source.0.get(), 2, "harm {index} was not repaired");
    }
}

#[test]
fn an_entry_of_another_recipe_is_not_changed() {
    let store = tempfile::tempdir().unwrap();
    let source = Source(Cell::new(0));
    let old = source.open(store.path(), &RECIPE).unwrap();
    let other = Recipe {
        keep: &["boot"],
        ..RECIPE
    };
    let new = source.open(store.path(), &other).unwrap();
    assert_eq!(source.0.get(), 2);
    assert_ne!(old, new);
    assert!(old.join("usr/share/thing/data").exists());
    assert!(new.join("boot/other").exists());
}

#[test]
fn a_failed_fetch_leaves_no_entry() {
    let store = tempfile::tempdir().unwrap();
    let failed = open_in(store.path(), &RECIPE, |_, root| {
        fs::write(root.join("half"), "x")?;
        bail!("no network")
    });
    assert_eq!(failed.unwrap_err().to_string(), "no network");
    assert!(entries(store.path(), &RECIPE).unwrap().is_empty());
    let source = Source(Cell::new(0));
    let root = source.open(store.path(), &RECIPE).unwrap();
    assert!(!root.join("half").exists());
}

#[test]
fn a_package_without_the_wanted_files_is_an_error() {
    let store = tempfile::tempdir().unwrap();
    let source = Source(Cell::new(0));
    let recipe = Recipe {
        keep: &["opt"],
        ..RECIPE
    };
    let error = source.open(store.path(), &recipe).unwrap_err().to_string();
    assert!(error.contains("opt"), "{error}");
}

#[test]
fn keep_patterns_match_by_component() {
    let keep = "lib/modules/*/kernel/drivers/xen";
    for path in [
        "lib",
        "lib/modules/6.1",
        "lib/modules/6.1/kernel/drivers/xen",
    ] {
        assert!(fits(Path::new(path), keep), "{path}");
    }
    for path in [
        "lib64",
        "lib/modules/6.1/kernel/net",
        "lib/modules/6.1/kernel/drivers/xen/x.ko",
    ] {
        assert!(!fits(Path::new(path), keep), "{path}");
    }
    assert!(fits(Path::new("boot/xen-4.17-amd64.gz"), "boot/xen-*"));
    assert!(!fits(Path::new("boot/config-6.1"), "boot/xen-*"));
}
