//! A device tree in memory.

use handoff::addr::PhysRange;

/// A device tree. Nodes, properties and reservations keep their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceTree {
    /// The root node; its name is empty.
    pub root: DtNode,
    /// Memory reservations of the blob, none of them empty. Those of `/reserved-memory` are nodes.
    pub reservations: Vec<PhysRange>,
    /// `boot_cpuid_phys`.
    pub boot_cpu: u32,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DtNode {
    /// Name with the unit address: "serial@10000000".
    pub name: String,
    /// Properties. Of several with one name the first counts, as in Linux.
    pub properties: Vec<DtProperty>,
    /// Child nodes.
    pub children: Vec<DtNode>,
}

/// A property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtProperty {
    /// Name.
    pub name: String,
    /// Value; empty where the presence of the property is the value.
    pub value: Vec<u8>,
}

impl DtNode {
    /// Makes an empty node.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Returns the value of a property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&[u8]> {
        let property = self.properties.iter().find(|one| one.name == name)?;
        Some(&property.value)
    }

    /// True when the node has the property.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.property(name).is_some()
    }

    /// Sets a property in its place, or at the end where it is new.
    pub fn set(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let value = value.into();
        if let Some(property) = self.properties.iter_mut().find(|one| one.name == name) {
            property.value = value;
            return;
        }
        self.properties.push(DtProperty {
            name: name.to_owned(),
            value,
        });
    }

    /// Sets a property to a string.
    pub fn set_string(&mut self, name: &str, text: &str) {
        self.set(name, [text.as_bytes(), &[0]].concat());
    }

    /// Removes all properties of this name; true when there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.properties.len();
        self.properties.retain(|one| one.name != name);
        self.properties.len() != before
    }

    /// Returns the first child of this name: the one that is exactly so, or else the only one that has it before its
    /// unit address (2.2.3 of the specification).
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        let exact = self.children.iter().find(|child| child.name == name);
        exact.or_else(|| {
            let mut others = self.children.iter().filter(|child| {
                let unit = child.name.strip_prefix(name);
                unit.is_some_and(|unit| unit.starts_with('@'))
            });
            others.next().filter(|_| others.next().is_none())
        })
    }

    /// Returns the child of exactly this name; it is made where it is missing.
    pub fn child_or_new(&mut self, name: &str) -> &mut Self {
        let index = self.children.iter().position(|child| child.name == name);
        let index = index.unwrap_or_else(|| {
            self.children.push(Self::new(name));
            self.children.len() - 1
        });
        &mut self.children[index]
    }

    /// Returns the strings of a property that has a list of them; without those that are no UTF-8.
    pub fn strings(&self, name: &str) -> impl Iterator<Item = &str> {
        let value = self.property(name).unwrap_or_default();
        value
            .split(|&byte| byte == 0)
            .filter(|text| !text.is_empty())
            .filter_map(|text| str::from_utf8(text).ok())
    }

    /// True when `compatible` has this string.
    #[must_use]
    pub fn is_compatible(&self, with: &str) -> bool {
        self.strings("compatible").any(|text| text == with)
    }

    /// True unless `status` says that the device is not to be used (2.3.4): it is missing, "okay" or "ok".
    #[must_use]
    pub fn is_available(&self) -> bool {
        match self.property("status") {
            None => true,
            Some(value) => matches!(value, b"okay\0" | b"ok\0"),
        }
    }
}
