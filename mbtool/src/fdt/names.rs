//! Names of nodes and properties, and paths.

/// Maximum length of a name, in bytes: Linux makes files of these names. The specification has 31, which labels in
/// `/__symbols__` exceed.
pub const NAME_MAX: usize = 255;
/// Bytes of a wrong name that an error shows.
const SHOWN: usize = 40;

/// The path of a node, from the names of those above it and its own, the root's first.
pub(super) fn path<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.skip(1).collect();
    format!("/{}", names.join("/"))
}

/// The start of a wrong name or text, escaped.
pub(super) fn shown(text: &[u8]) -> String {
    let head = text.get(..SHOWN).unwrap_or(text);
    let dots = if head.len() < text.len() { "..." } else { "" };
    format!("{}{dots}", head.escape_ascii())
}

/// The name of a node if it can be one.
pub(super) fn node_name(name: &[u8], root: bool) -> Option<&str> {
    match name {
        [] | b"/" if root => Some(""),
        _ if name.contains(&b'/') => None,
        _ => property_name(name),
    }
}

/// The name of a property if it can be one.
pub(super) fn property_name(name: &[u8]) -> Option<&str> {
    let good = !name.is_empty() && name.len() <= NAME_MAX && name.iter().all(u8::is_ascii_graphic);
    str::from_utf8(name).ok().filter(|_| good)
}
