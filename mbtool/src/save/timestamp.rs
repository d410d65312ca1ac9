//! Time of day for names and `crash.json`, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// A calendar date and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    year: u64,
    month: u64,
    day: u64,
    /// Second of the day.
    second: u64,
}

impl Moment {
    /// Returns the current time by the machine's clock.
    #[must_use]
    pub fn now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self::of_unix(now.map_or(0, |now| now.as_secs()))
    }

    /// Converts `seconds` since 1970.
    #[must_use]
    pub const fn of_unix(seconds: u64) -> Self {
        // Days since 0000-03-01, so that the leap day is the last of a year;
        // 146097 days are 400 years (the cycle of the proleptic Gregorian
        // calendar).
        let days = seconds / 86400 + 719468;
        let era = days / 146097;
        let of_era = days % 146097;
        let year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // months from March, 153 days per five months
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year_of_era + (month <= 2) as u64;
        Self {
            year,
            month,
            day,
            second: seconds % 86400,
        }
    }

    /// "20261121-075400"
    #[must_use]
    pub fn name(self) -> String {
        let (hour, minute, second) = self.of_day();
        let Self {
            year, month, day, ..
        } = self;
        format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
    }

    /// "2026-11-21T07:54:00Z"
    #[must_use]
    pub fn rfc3339(self) -> String {
        let (hour, minute, second) = self.of_day();
        let Self {
            year, month, day, ..
        } = self;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }

    const fn of_day(self) -> (u64, u64, u64) {
        (self.second / 3600, self.second / 60 % 60, self.second % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951782399, "2000-02-28T23:59:59Z"),
            (951782400, "2000-02-29T00:00:00Z"),
            (951868800, "2000-03-01T00:00:00Z"),
            (1709251199, "2024-02-29T23:59:59Z"),
            (1795247640, "2026-11-21T07:54:00Z"),
            (4102444799, "2099-12-31T23:59:59Z"),
            (4107542400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Moment::of_unix(seconds).rfc3339(), expected);
        }
        assert_eq!(Moment::of_unix(1795247640).name(), "20261121-075400");
    }
}
