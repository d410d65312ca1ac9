//! Parses addresses, sizes and ranges of the command line.

use handoff::addr::PhysRange;

/// Parses an address or size: decimal or 0x hex, with an optional K, M or G.
///
/// # Errors
///
/// Names the text found and the expected format.
pub fn address(text: &str) -> Result<u64, String> {
    let expected = || format!("`{text}` is not a number such as 0x10000000, 4096 or 256M");
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (&text[..text.len() - 1], 10),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let (digits, radix) = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) => (hex, 16),
        None => (digits, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(expected());
    }
    let value = u64::from_str_radix(digits, radix).map_err(|_| expected())?;
    value
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("`{text}` does not fit in 64 bits"))
}

/// Parses a half-open range, `START-END`.
///
/// # Errors
///
/// Names the text found and the expected format.
pub fn range(text: &str) -> Result<PhysRange, String> {
    let (start, end) = text
        .split_once('-')
        .ok_or_else(|| format!("`{text}` is not a range such as 0x10000000-0x20000000"))?;
    match PhysRange::new(address(start)?, address(end)?) {
        Some(range) if !range.is_empty() => Ok(range),
        _ => Err(format!("range `{text}` ends before it starts")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(address("0x10"), Ok(16));
        assert_eq!(address("256M"), Ok(256 << 20));
        assert_eq!(address("0x1G"), Ok(1 << 30));
        for bad in [
            "",
            "M",
            "0x",
            "-1",
            "+1",
            "1.5",
            "12q",
            "0x10000000000000000",
            "17179869184G",
        ] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges() {
        assert_eq!(
            range("1M-0x200000"),
            Ok(PhysRange {
                start: 1 << 20,
                end: 2 << 20
            })
        );
        assert!(range("2M-1M").is_err() && range("1M").is_err() && range("1M-1M").is_err());
    }
}
