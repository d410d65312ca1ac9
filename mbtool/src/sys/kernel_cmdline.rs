//! The parameters of a kernel command line.

/// The parameters of `line` as the kernel separates them: at white space outside of double quotes.
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
    fn quoted_values_stay_whole() {
        let parameters = split(" root=/dev/sda1  dyndbg=\"file a +p; x\" quiet ");
        assert_eq!(
            parameters,
            ["root=/dev/sda1", "dyndbg=\"file a +p; x\"", "quiet"]
        );
    }
}
