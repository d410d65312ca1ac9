//! How two trees differ.

use super::dts::{Lines, Name};
use super::tree::{DeviceTree, DtNode};
use std::collections::{HashMap, HashSet};
use std::fmt::{self, Display};

/// The differences of two trees as text: for each node that differs its path, and below it what only the first tree has
/// ("-") and what only the second one has ("+"). The order of nodes and properties does not count. Empty if there is no
/// difference.
#[derive(Clone, Copy, Debug)]
pub struct TreeDiff<'a> {
    /// The first tree.
    pub old: &'a DeviceTree,
    /// The second one.
    pub new: &'a DeviceTree,
}

impl Display for TreeDiff<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { old, new } = self;
        for (sign, one, other) in [('-', old, new), ('+', new, old)] {
            let known: HashSet<_> = other.reservations.iter().collect();
            for range in one
                .reservations
                .iter()
                .filter(|range| !known.contains(range))
            {
                writeln!(
                    f,
                    "{sign}/memreserve/ {:#x} {:#x};",
                    range.start,
                    range.len()
                )?;
            }
        }
        if old.boot_cpu != new.boot_cpu {
            writeln!(
                f,
                "-// boot CPU {:#x}\n+// boot CPU {:#x}",
                old.boot_cpu, new.boot_cpu
            )?;
        }
        let mut path = Vec::new();
        nodes(f, &mut path, &old.root, &new.root)
    }
}

/// Compares two nodes of one path, then their children.
fn nodes<'a>(
    f: &mut fmt::Formatter<'_>,
    path: &mut Vec<&'a str>,
    old: &'a DtNode,
    new: &'a DtNode,
) -> fmt::Result {
    let mut headed = false;
    let mut head = |f: &mut fmt::Formatter<'_>, path: &[&str]| {
        if std::mem::replace(&mut headed, true) {
            return Ok(());
        }
        for name in path {
            write!(f, "/{}", Name(name))?;
        }
        f.write_str(if path.is_empty() { "/:\n" } else { ":\n" })
    };
    let properties = pairs(&old.properties, &new.properties, |one| &one.name);
    for (one, other) in properties {
        if one.map(|one| &one.value) != other.map(|other| &other.value) {
            head(f, path)?;
            for (sign, one) in [("-", one), ("+", other)] {
                one.map_or(Ok(()), |one| Lines::new(f, sign).property(one))?;
            }
        }
    }
    let children = pairs(&old.children, &new.children, |one| &one.name);
    for (one, other) in &children {
        let (sign, node) = match (one, other) {
            (Some(node), None) => ("-", node),
            (None, Some(node)) => ("+", node),
            _ => continue,
        };
        head(f, path)?;
        Lines::new(f, sign).node(node, &node.name)?;
    }
    for pair in children {
        if let (Some(one), Some(other)) = pair {
            path.push(&one.name);
            nodes(f, path, one, other)?;
            path.pop();
        }
    }
    Ok(())
}

/// An item of the first list and that of the second one which has its name, and its number among those of this name; in
/// the order of the first list. Those that only the second one has follow.
fn pairs<'a, T>(
    old: &'a [T],
    new: &'a [T],
    name: impl Fn(&'a T) -> &'a str,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let keyed = |items: &'a [T]| -> Vec<((&'a str, usize), &'a T)> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        let keyed = items.iter().map(|item| {
            let count = counts.entry(name(item)).or_default();
            *count += 1;
            ((name(item), *count), item)
        });
        keyed.collect()
    };
    let (old, new) = (keyed(old), keyed(new));
    let mut left: HashMap<_, _> = new.iter().copied().collect();
    let mut all: Vec<_> = old
        .into_iter()
        .map(|(key, item)| (Some(item), left.remove(&key)))
        .collect();
    let only_new = new.into_iter().filter(|(key, _)| left.contains_key(key));
    all.extend(only_new.map(|(_, item)| (None, Some(item))));
    all
}
