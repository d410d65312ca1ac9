//! Text format of the report.

use super::{CheckState, DoctorReport};
use std::fmt;

/// Formats one line per check, its fix on the next line, and a summary.
impl fmt::Display for DoctorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            writeln!(f, "{:<8} {}: {}", check.state, check.id, check.found)?;
            if let Some(fix) = check.fix.as_ref().filter(|_| check.state != CheckState::Ok) {
                writeln!(f, "{:<8}   fix: {fix}", "")?;
            }
        }
        let count = |n: usize, one: &str| match n {
            1 => format!("1 {one}"),
            n => format!("{n} {one}s"),
        };
        let sum = &self.summary;
        writeln!(
            f,
            "{}: {}, {}, {} not known, {} ok",
            if self.ready { "ready" } else { "not ready" },
            count(sum.problem, "problem"),
            count(sum.warning, "warning"),
            sum.unknown,
            sum.ok
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::doctor::{Check, DoctorReport};

    #[test]
    fn a_line_each_and_the_fix_below() {
        let report = DoctorReport::new(vec![
            Check::ok("system", "bare Linux").fix("not shown"),
            Check::problem("region", "none").fix("crashkernel=256M"),
            Check::warning("console", "none found"),
        ]);
        assert_eq!(
            report.to_string(),
            "ok       system: bare Linux\n\
             problem  region: none\n           \
             fix: crashkernel=256M\n\
             warning  console: none found\n\
             not ready: 1 problem, 1 warning, 0 not known, 1 ok\n"
        );
    }
}
