//! Searches of many texts in a line: most lines have none of them.

use aho_corasick::AhoCorasick;

/// Texts that are searched at once.
#[derive(Debug)]
pub struct TextSet(Option<AhoCorasick>);

impl TextSet {
    /// A set of `texts`.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        Self(AhoCorasick::new(texts).ok())
    }

    /// False if no text of the set is in `line`.
    #[must_use]
    pub fn may_be_in(&self, line: &str) -> bool {
        self.0.as_ref().is_none_or(|search| search.is_match(line))
    }
}

/// `line.starts_with(start)`, without a call for most lines.
#[must_use]
pub fn starts_with(line: &str, start: &str) -> bool {
    line.as_bytes().first() == start.as_bytes().first() && line.starts_with(start)
}

/// `line.find(text)`.
#[must_use]
pub fn find(line: &str, text: &str) -> Option<usize> {
    memchr::memmem::find(line.as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_of_a_set_is_found_anywhere() {
        let set = TextSet::new(["abc", "x"]);
        for (line, found) in [
            ("abc", true),
            ("1 abcd", true),
            ("ab c", false),
            ("-x", true),
            ("", false),
        ] {
            assert_eq!(set.may_be_in(line), found, "{line}");
        }
        assert!(starts_with("abc", "ab") && !starts_with("bab", "ab") && !starts_with("", "ab"));
        assert_eq!((find("xay", "ay"), find("", "a")), (Some(1), None));
    }
}
