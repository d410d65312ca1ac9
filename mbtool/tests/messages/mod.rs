//! The text of every error, in one place: each variant with sample values, its message and its remedy. Other tests
//! assert variants and values. `UPDATE_GOLDEN=1 cargo test -p mbtool --test golden` writes tests/messages anew.

mod backend;
mod exec;
mod fdt;
mod files;
mod handoff;
mod image;
mod plan;
mod request;
mod save;
mod setup;
mod xen;

use ::handoff::addr::PhysRange;
use std::fmt::{Display, Write};
use xen_shim::fix::{Fix, Remedy};

/// Lines of one enum.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn push(&mut self, variant: &str, error: &dyn Display, fix: Remedy) {
        let text = error.to_string();
        let mut statement = text.as_str();
        if let Some(fix) = &fix {
            let rest = text.strip_suffix(fix.as_ref());
            let rest = rest.and_then(|rest| rest.strip_suffix("; "));
            statement =
                rest.unwrap_or_else(|| panic!("{variant} does not end in its remedy: {text}"));
        }
        writeln!(self.0, "{variant}: {statement}").unwrap();
        if let Some(fix) = fix {
            writeln!(self.0, "    fix: {fix}").unwrap();
        }
    }
}

/// Compares the messages of an enum with tests/messages/ENUM.txt. A variant that is not listed does not compile.
macro_rules! messages {
    ($enum:ident, $fix:expr, { $($variant:ident: [$($sample:expr),+ $(,)?]),+ $(,)? }) => {{
        let variant = |error: &$enum| match error {
            $($enum::$variant { .. } => stringify!($variant)),+
        };
        let fix: fn(&$enum) -> xen_shim::fix::Remedy = $fix;
        let mut lines = crate::messages::Lines::default();
        $($(
            let sample: $enum = $sample;
            assert_eq!(variant(&sample), stringify!($variant));
            lines.push(stringify!($variant), &sample, fix(&sample));
        )+)+
        crate::compare(concat!("messages/", stringify!($enum), ".txt"), &lines.0);
    }};
    ($enum:ident { $($listed:tt)* }) => { messages!($enum, xen_shim::fix::Fix::fix, { $($listed)* }) };
    ($enum:ident, no fix { $($listed:tt)* }) => { messages!($enum, |_| None, { $($listed)* }) };
}
use messages;

fn range(start: u64, end: u64) -> PhysRange {
    PhysRange { start, end }
}

fn denied() -> std::io::Error {
    std::io::Error::from_raw_os_error(libc::EACCES)
}

fn json() -> serde_json::Error {
    serde_json::from_str::<u8>("x").unwrap_err()
}

#[test]
fn a_statement_is_the_message_without_its_remedy() {
    let error = xen_shim::hypercall::HypercallError::NoDevice;
    assert_eq!(
        error.statement(),
        "no access to Xen: neither /dev/xen/privcmd nor /proc/xen/privcmd exists"
    );
    let without = xen_shim::hypercall::LoadProblem::Busy;
    assert_eq!(without.statement(), without.to_string());
}
