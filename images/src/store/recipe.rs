//! Recipes of cache entries.

use crate::debian::Packages;

/// Recipe of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Name of the entry, a file name.
    pub name: &'static str,
    /// Debian suite to take the packages from.
    pub suite: &'static str,
    /// Packages to fetch.
    pub packages: Packages,
    /// Paths (files or directories, relative to the root) to keep; a component that ends in `*` is a prefix.
    pub keep: &'static [&'static str],
}
