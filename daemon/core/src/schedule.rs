//! The weekly schedule: when a permitted person may pass, in the time zone of the door.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// Most periods of one schedule: five a day.
pub const PERIODS_MAX: usize = 35;
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A schedule that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// Not a period.
    #[error(
        "a period is written like \"Mon-Fri 07:30-18:00\", \"Sat 22:00-06:00\" or \"always\"; {0:?} is not"
    )]
    Period(String),
    /// Too many.
    #[error("a schedule has at most {PERIODS_MAX} periods, this one has {0}")]
    TooMany(usize),
    /// No such zone.
    #[error("time zone {0:?} is not known; use a name like \"Europe/Berlin\"")]
    Zone(String),
}

/// Some days, from one minute of the day to another. One that ends before it begins goes on past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    days: [bool; 7],
    from: u16,
    until: u16,
}

/// A weekly schedule.
#[derive(Debug, Clone)]
pub struct Weekly {
    zone: TimeZone,
    periods: Vec<Period>,
}

impl Weekly {
    /// Reads periods such as `Mon-Fri 07:30-18:00`; `always` stands for the whole week, no period for never.
    ///
    /// # Errors
    /// [`ScheduleError`].
    pub fn parse(zone: &str, periods: &[impl AsRef<str>]) -> Result<Self, ScheduleError> {
        if periods.len() > PERIODS_MAX {
            return Err(ScheduleError::TooMany(periods.len()));
        }
        let zone = TimeZone::get(zone).map_err(|_| ScheduleError::Zone(zone.to_owned()))?;
        let periods = periods
            .iter()
            .map(|text| period(text.as_ref()).ok_or_else(|| ScheduleError::Period(text.as_ref().to_owned())))
            .collect::<Result<_, _>>()?;
        Ok(Self { zone, periods })
    }

    /// Whether `at_ms` (milliseconds since 1970 UTC) lies inside. Local wall time counts, so a period keeps its hours
    /// over changes of daylight saving time; an hour that happens twice is inside twice.
    #[must_use]
    pub fn contains(&self, at_ms: i64) -> bool {
        let Ok(instant) = Timestamp::from_millisecond(at_ms) else { return false };
        let local = instant.to_zoned(self.zone.clone());
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let today = index(local.weekday());
        let yesterday = (today + 6) % 7;
        self.periods.iter().any(|p| {
            if p.from < p.until {
                p.days[today] && (p.from..p.until).contains(&minute)
            } else {
                p.days[today] && minute >= p.from || p.days[yesterday] && minute < p.until
            }
        })
    }

    /// Whether it needs no clock: the whole week.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.periods.iter().any(|p| p.days == [true; 7] && p.from == 0 && p.until == DAY)
    }
}

fn index(day: Weekday) -> usize {
    usize::from(day.to_monday_zero_offset().unsigned_abs())
}

fn period(text: &str) -> Option<Period> {
    let text = text.trim();
    if text == "always" {
        return Some(Period { days: [true; 7], from: 0, until: DAY });
    }
    let (days, hours) = text.split_once(' ')?;
    let (from, until) = hours.trim().split_once('-')?;
    let (from, until) = (minute(from)?, minute(until)?);
    let mut marked = [false; 7];
    for part in days.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        (0..7).map(|step| (first + step) % 7).take((last + 7 - first) % 7 + 1).for_each(|d| marked[d] = true);
    }
    (from != until && from < DAY).then_some(Period { days: marked, from, until })
}

fn day(text: &str) -> Option<usize> {
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().position(|name| *name == text)
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits =
        |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse::<u16>().ok());
    let at = digits(hour)?? * 60 + digits(minute)??;
    (at <= DAY && digits(minute)?? < 60).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn berlin(periods: &[&str]) -> Weekly {
        Weekly::parse("Europe/Berlin", periods).unwrap()
    }

    #[test]
    fn office_hours_follow_local_time_over_daylight_saving() {
        let office = berlin(&["Mon-Fri 07:30-18:00"]);
        assert!(office.contains(at("2026-01-15T06:30:00Z")), "07:30 in winter");
        assert!(!office.contains(at("2026-01-15T06:29:59Z")));
        assert!(office.contains(at("2026-07-15T05:30:00Z")), "07:30 in summer");
        assert!(!office.contains(at("2026-07-15T16:00:00Z")), "18:00 in summer");
        assert!(!office.contains(at("2026-01-17T10:00:00Z")), "Saturday");
    }

    #[test]
    fn a_night_shift_goes_on_past_midnight() {
        let night = berlin(&["Sat 22:00-06:00"]);
        assert!(night.contains(at("2026-01-17T22:00:00Z")), "Saturday 23:00");
        assert!(night.contains(at("2026-01-18T04:00:00Z")), "Sunday 05:00");
        assert!(!night.contains(at("2026-01-18T05:00:00Z")), "Sunday 06:00");
        assert!(!night.contains(at("2026-01-17T04:00:00Z")), "Saturday 05:00");
    }

    #[test]
    fn the_hour_that_happens_twice_and_the_one_that_never_does() {
        let early = berlin(&["Sun 02:00-03:00"]);
        assert!(early.contains(at("2026-10-25T00:30:00Z")), "02:30 the first time");
        assert!(early.contains(at("2026-10-25T01:30:00Z")), "02:30 the second time");
        assert!(!early.contains(at("2026-03-29T01:30:00Z")), "03:30: the hour was skipped");
    }

    #[test]
    fn always_never_and_week_wrap() {
        assert!(berlin(&["always"]).is_always());
        assert!(!berlin(&[]).contains(at("2026-01-15T10:00:00Z")));
        let weekend = berlin(&["Sat-Mon 00:00-24:00"]);
        assert!(weekend.contains(at("2026-01-19T10:00:00Z")), "Monday");
        assert!(!weekend.contains(at("2026-01-20T10:00:00Z")), "Tuesday");
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "Mon",
            "Mon 7:30-18:00",
            "Mon 08:00-08:00",
            "Mon 25:00-26:00",
            "Mon 24:00-06:00",
            "Xyz 08:00-09:00",
            "Mon 08:60-09:00",
        ] {
            assert!(Weekly::parse("UTC", &[bad]).is_err(), "{bad:?} was accepted");
        }
        assert!(matches!(Weekly::parse("Mars/Olympus", &["always"]), Err(ScheduleError::Zone(_))));
        assert!(matches!(Weekly::parse("UTC", &["always"; 36]), Err(ScheduleError::TooMany(36))));
    }
}
