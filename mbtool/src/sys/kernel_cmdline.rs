//! Kernel command-line parameters.

/// Splits `line` into parameters as the kernel does: at white space outside of double quotes.
#[must_use]
pub fn split(line: &str) -> Vec<&str> {
    let mut quoted = false;
    line.split(|c: char| {
        quoted ^= c == '"';
        c.is_ascii_whitespace() && !quoted
    })
    .filter(|parameter| !parameter.is_empty())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_are_not_split() {
        let parameters = split(" root=/dev/sda1  dyndbg=\"file a +p; x\" quiet ");
        assert_eq!(
            parameters,
            ["root=/dev/sda1", "dyndbg=\"file a +p; x\"", "quiet"]
        );
    }
}
