//! A node together with those above it.

use super::error::{DtValueError, DtValueProblem};
use super::names::shown;
use super::tree::{DeviceTree, DtNode};
use std::fmt;
use zerocopy::FromBytes;
use zerocopy::big_endian::{U32, U64};

/// A node of a tree and those above it.
#[derive(Clone, Debug)]
pub struct DtPath<'a> {
    /// The nodes above it, the root first.
    above: Vec<&'a DtNode>,
    node: &'a DtNode,
}

impl DeviceTree {
    /// The root.
    #[must_use]
    pub fn top(&self) -> DtPath<'_> {
        DtPath {
            above: Vec::new(),
            node: &self.root,
        }
    }

    /// Finds a node by its path: "/soc/serial@10000000"; a unit address may be left out where that is unambiguous.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<DtPath<'_>> {
        let rest = path.strip_prefix('/')?;
        let mut names = rest.split('/').filter(|name| !name.is_empty());
        names.try_fold(self.top(), |found, name| found.child(name))
    }

    /// Finds a node by a path or by an alias of `/aliases`: "serial0".
    #[must_use]
    pub fn resolve(&self, target: &str) -> Option<DtPath<'_>> {
        if target.starts_with('/') {
            return self.find(target);
        }
        let (alias, below) = target.split_once('/').unwrap_or((target, ""));
        let path = self.root.child("aliases")?.strings(alias).next()?;
        self.find(&format!("{path}/{below}"))
    }

    /// Finds the first node with this phandle.
    #[must_use]
    pub fn by_phandle(&self, phandle: u32) -> Option<DtPath<'_>> {
        let is = |node: &DtNode| {
            let value = node.property("phandle");
            value.or_else(|| node.property("linux,phandle")) == Some(&phandle.to_be_bytes())
        };
        let mut left = vec![self.top()];
        while let Some(next) = left.pop() {
            if is(next.node) {
                return Some(next);
            }
            left.extend(next.children());
        }
        None
    }
}

impl<'a> DtPath<'a> {
    /// The node.
    #[must_use]
    pub fn node(&self) -> &'a DtNode {
        self.node
    }

    /// The node above it; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (node, above) = self.above.split_last()?;
        Some(Self {
            above: above.to_vec(),
            node,
        })
    }

    /// Returns a child as [`DtNode::child`] does.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<Self> {
        Some(self.below(self.node.child(name)?))
    }

    /// Returns the child nodes.
    pub fn children(&self) -> impl Iterator<Item = Self> + use<'a> {
        let this = self.clone();
        this.node.children.iter().map(move |node| this.below(node))
    }

    fn below(&self, node: &'a DtNode) -> Self {
        let mut above = self.above.clone();
        above.push(self.node);
        Self { above, node }
    }

    /// Returns a number of one cell.
    ///
    /// # Errors
    ///
    /// When the property has another size.
    pub fn u32(&self, name: &str) -> Result<Option<u32>, DtValueError> {
        let Some(value) = self.node.property(name) else {
            return Ok(None);
        };
        match U32::read_from_bytes(value) {
            Ok(number) => Ok(Some(number.get())),
            Err(_) => Err(self.wrong_size(name, value, "4")),
        }
    }

    /// Returns a number of one or two cells.
    ///
    /// # Errors
    ///
    /// When the property has another size.
    pub fn number(&self, name: &str) -> Result<Option<u64>, DtValueError> {
        let Some(value) = self.node.property(name) else {
            return Ok(None);
        };
        let long = U64::read_from_bytes(value).map(U64::get);
        let short = U32::read_from_bytes(value).map(|number| number.get().into());
        match long.or(short) {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(self.wrong_size(name, value, "4 or 8")),
        }
    }

    /// Returns a string.
    ///
    /// # Errors
    ///
    /// When the value is no text with a NUL at its end.
    pub fn string(&self, name: &str) -> Result<Option<&'a str>, DtValueError> {
        let Some(value) = self.node.property(name) else {
            return Ok(None);
        };
        let text = value.strip_suffix(b"\0").filter(|text| !text.contains(&0));
        match text.map(str::from_utf8) {
            Some(Ok(text)) => Ok(Some(text)),
            _ => Err(self.error(
                name,
                DtValueProblem::NoText {
                    value: format!("\"{}\"", shown(value)),
                },
            )),
        }
    }

    /// Makes the error about a property of this node.
    #[must_use]
    pub fn error(&self, property: &str, problem: DtValueProblem) -> DtValueError {
        DtValueError {
            node: self.to_string(),
            property: property.to_owned(),
            problem,
        }
    }

    fn wrong_size(&self, name: &str, value: &[u8], expected: &'static str) -> DtValueError {
        self.error(
            name,
            DtValueProblem::Size {
                found: value.len(),
                expected,
            },
        )
    }
}

impl fmt::Display for DtPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.above.iter().skip(1).map(|node| node.name.as_str());
        for name in names {
            write!(f, "/{name}")?;
        }
        write!(f, "/{}", self.node.name)
    }
}
