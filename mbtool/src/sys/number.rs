//! Numbers in text files of the kernel.

/// Parses a whole number: hex after `0x`, else decimal. No sign, no spaces.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_sign_and_no_space() {
        assert_eq!(parse("0x10"), Some(16));
        assert_eq!(parse("10"), Some(10));
        assert_eq!(parse("0xffffffffffffffff"), Some(u64::MAX));
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
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
