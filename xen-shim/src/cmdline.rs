//! Command lines of Linux and Xen as lists of parameters.
//!
//! - Linux (kernel/params.c, Documentation/admin-guide/kernel-parameters.rst): parameters are separated by white space
//!   outside of double quotes; what follows a parameter `--` goes to init. In a name `-` and `_` are the same (`parameq`).
//! - Xen (docs/misc/xen-command-line; 4.17 and 4.20, `parse_params` in common/kernel.c): parameters are separated by
//!   spaces, there are no quotes; what follows ` -- ` is appended to dom0's command line. Names are compared with `strcmp`:
//!   `dom0-mem` is not `dom0_mem`, but unknown.

use std::fmt;

/// Whose command line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// Linux.
    Linux,
    /// Xen.
    Xen,
}

impl Syntax {
    /// True when two names are the same parameter.
    #[must_use]
    pub fn same_name(self, one: &str, other: &str) -> bool {
        let same = |byte: u8| match (self, byte) {
            (Self::Linux, b'-') => b'_',
            _ => byte,
        };
        one.bytes().map(same).eq(other.bytes().map(same))
    }

    /// True when `parameter` has this name.
    #[must_use]
    pub fn is(self, parameter: &str, name: &str) -> bool {
        self.same_name(self::name(parameter), name)
    }

    /// True for what separates parameters.
    fn separates(self, c: char) -> bool {
        match self {
            Self::Linux => c.is_ascii_whitespace(),
            Self::Xen => c == ' ',
        }
    }
}

/// A command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cmdline {
    syntax: Syntax,
    /// Parameters of the kernel itself.
    own: Vec<String>,
    /// What follows `--`.
    rest: Option<String>,
}

impl Cmdline {
    /// Splits `line`.
    #[must_use]
    pub fn parse(line: &str, syntax: Syntax) -> Self {
        let (mut own, mut rest) = (Vec::new(), None);
        let separates = |c| syntax.separates(c);
        let mut left = line.trim_start_matches(separates);
        while !left.is_empty() {
            let (parameter, after) = left.split_at(end(left, syntax));
            left = after.trim_start_matches(separates);
            if parameter == "--" {
                rest = Some(left.trim_end_matches(separates).to_owned());
                break;
            }
            own.push(parameter.to_owned());
        }
        // a quote that is not closed reaches to the end of the line, and must not reach further
        if let (Syntax::Linux, Some(last)) = (syntax, own.last_mut())
            && last.bytes().filter(|byte| *byte == b'"').count() % 2 == 1
        {
            last.push('"');
        }
        Self { syntax, own, rest }
    }

    /// Splits a line of Linux.
    #[must_use]
    pub fn linux(line: &str) -> Self {
        Self::parse(line, Syntax::Linux)
    }

    /// Splits a line of Xen.
    #[must_use]
    pub fn xen(line: &str) -> Self {
        Self::parse(line, Syntax::Xen)
    }

    /// Returns the parameters of the kernel itself, those before `--`.
    pub fn own(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.own.iter().map(String::as_str)
    }

    /// Returns what follows `--`.
    #[must_use]
    pub fn rest(&self) -> Option<&str> {
        self.rest.as_deref()
    }

    /// Returns the parameters of this name, in order.
    pub fn named(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.own()
            .filter(move |parameter| self.syntax.is(parameter, name))
    }

    /// True when a parameter of this name is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// Returns the values given for `name`, without quotes, in order.
    pub fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.named(name).filter_map(value)
    }

    /// Returns the last value given for `name`, without quotes.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next_back()
    }

    /// Inserts parameters in front, where no limit of length cuts them off.
    pub fn prepend(&mut self, parameters: impl IntoIterator<Item = String>) {
        self.own.splice(..0, parameters);
    }

    /// Appends a parameter, before `--`.
    pub fn append(&mut self, parameter: impl Into<String>) {
        self.own.push(parameter.into());
    }

    /// Appends to what follows `--`, unless it ends so already.
    pub fn append_rest(&mut self, more: &str) {
        match &mut self.rest {
            Some(rest) if rest == more || rest.ends_with(&format!(" {more}")) => {}
            Some(rest) if !rest.is_empty() => {
                rest.push(' ');
                rest.push_str(more);
            }
            rest => *rest = Some(more.to_owned()),
        }
    }

    /// Removes the parameters for which `stale` is true, and returns them in order.
    pub fn remove(&mut self, stale: impl Fn(&str) -> bool) -> Vec<String> {
        let removed = |parameter: &mut String| stale(parameter);
        self.own.extract_if(.., removed).collect()
    }

    /// Removes the parameters with one of `names`, and returns them in order.
    pub fn remove_named(&mut self, names: &[&str]) -> Vec<String> {
        let syntax = self.syntax;
        self.remove(|parameter| names.iter().any(|name| syntax.is(parameter, name)))
    }

    /// Replaces each parameter for which `change` returns something.
    pub fn replace(&mut self, mut change: impl FnMut(&str) -> Option<String>) {
        for parameter in &mut self.own {
            if let Some(new) = change(parameter) {
                *parameter = new;
            }
        }
    }
}

impl fmt::Display for Cmdline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for parameter in &self.own {
            write!(f, "{separator}{parameter}")?;
            separator = " ";
        }
        match (&self.rest, self.syntax) {
            (None, _) => Ok(()),
            // Xen looks for the space, too
            (Some(rest), Syntax::Xen) => write!(f, " -- {rest}"),
            (Some(rest), Syntax::Linux) => write!(f, "{separator}-- {rest}"),
        }
    }
}

/// Returns the length of the first parameter of `line`, in bytes.
fn end(line: &str, syntax: Syntax) -> usize {
    let mut quoted = false;
    line.find(|c: char| {
        quoted ^= c == '"' && syntax == Syntax::Linux;
        syntax.separates(c) && !quoted
    })
    .unwrap_or(line.len())
}

/// Returns the name of a parameter: what stands before `=`.
#[must_use]
pub fn name(parameter: &str) -> &str {
    let parameter = parameter.strip_prefix('"').unwrap_or(parameter);
    parameter.split('=').next().unwrap_or_default()
}

/// Returns the value of a parameter, without the quotes around it or around the parameter; `None` without `=`.
#[must_use]
pub fn value(parameter: &str) -> Option<&str> {
    let whole = parameter
        .strip_prefix('"')
        .map(|inner| inner.strip_suffix('"').unwrap_or(inner));
    let (_, value) = whole.unwrap_or(parameter).split_once('=')?;
    let inner = value.strip_prefix('"');
    Some(inner.map_or(value, |inner| inner.strip_suffix('"').unwrap_or(inner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn linux_has_quotes_and_names_with_either_dash() {
        let line = Cmdline::linux(
            " root=/dev/sda1  dyndbg=\"file a +p; x\" \"log=a -- b\" nr-cpus=2 nr_cpus=1 --  single  user ",
        );
        let own: Vec<&str> = line.own().collect();
        assert_eq!(
            own,
            [
                "root=/dev/sda1",
                "dyndbg=\"file a +p; x\"",
                "\"log=a -- b\"",
                "nr-cpus=2",
                "nr_cpus=1"
            ]
        );
        assert_eq!(line.rest(), Some("single  user"));
        assert_eq!(line.value("nr_cpus"), Some("1"));
        assert_eq!(line.values("nr_cpus").count(), 2);
        assert_eq!(line.value("dyndbg"), Some("file a +p; x"));
        assert_eq!(line.value("log"), Some("a -- b"));
        assert!(!line.has("single"));
    }

    #[test]
    fn xen_has_no_quotes_and_exact_names() {
        let line =
            Cmdline::xen(" com1=115200,8n1  x=\"a b\" dom0-iommu=none dom0-mem=1G y\tz -- quiet ");
        let own: Vec<&str> = line.own().collect();
        let expected = [
            "com1=115200,8n1",
            "x=\"a",
            "b\"",
            "dom0-iommu=none",
            "dom0-mem=1G",
            "y\tz",
        ];
        assert_eq!(own, expected);
        assert!(line.has("dom0-iommu") && !line.has("dom0_iommu"));
        assert_eq!((line.value("dom0_mem"), line.has("z")), (None, false));
        assert_eq!((line.value("x"), line.rest()), (Some("a"), Some("quiet")));
        assert_eq!(Cmdline::xen("-- quiet").to_string(), " -- quiet");
    }

    #[test]
    fn parameters_are_added_before_the_rest() {
        let mut line = Cmdline::linux("quiet panic=5 -- single");
        line.append("a=1");
        line.prepend(["b".to_owned()]);
        line.append_rest("more");
        assert_eq!(line.to_string(), "b quiet panic=5 a=1 -- single more");
        assert_eq!(line.remove(|p| name(p) == "panic"), ["panic=5"]);
        line.replace(|p| (p == "b").then(|| "c".to_owned()));
        assert_eq!(line.to_string(), "c quiet a=1 -- single more");
        line.append_rest("more");
        assert_eq!(line.rest(), Some("single more"));
        let mut open = Cmdline::linux("quiet a=\"b c");
        open.append("panic=1");
        assert_eq!(open.to_string(), "quiet a=\"b c\" panic=1");
        let mut none = Cmdline::linux("");
        none.append_rest("x");
        assert_eq!(none.to_string(), "-- x");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_the_same(text in "[a-c=\" \t-]{0,40}", xen: bool) {
            let syntax = if xen { Syntax::Xen } else { Syntax::Linux };
            let line = Cmdline::parse(&text, syntax);
            prop_assert_eq!(Cmdline::parse(&line.to_string(), syntax), line);
        }
    }
}
