//! Numbers in the text files of the kernel.

/// Parses a whole number: hex behind `0x`, else decimal. No sign, no spaces.
#[must_use]
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => hex(digits),
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        None => None,
    }
}

/// Parses hex digits without a prefix; no sign.
#[must_use]
pub fn hex(digits: &str) -> Option<u64> {
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

/// The first 60 characters, for a message.
#[must_use]
pub fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_sign_and_no_space() {
        assert_eq!(number("0x10"), Some(16));
        assert_eq!(number("10"), Some(10));
        assert_eq!(number("0xffffffffffffffff"), Some(u64::MAX));
        for bad in [
            "",
            "0x",
            "+1",
            "-1",
            "0x+1",
            " 1",
            "1 ",
            "18446744073709551616",
            "ten",
        ] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn cutting_keeps_characters_whole() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(61)), format!("{}...", "é".repeat(60)));
    }
}
