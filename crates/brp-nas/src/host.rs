use latbench::{Clock, SystemClock};
use serde::Serialize;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where and from what a result came.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Host {
    version: &'static str,
    revision: &'static str,
    system: String,
    processor: String,
    cores: usize,
}

impl Host {
    pub(crate) fn here() -> Self {
        let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            revision: env!("BRP_NAS_REVISION"),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: model.map_or_else(|| "unknown".into(), |(_, name)| name.trim().to_string()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }

    pub(crate) fn processor(&self) -> &str {
        &self.processor
    }
}

/// Seconds since 1970.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What a piece of work takes in processor time of this thread and in wall time, both in seconds; the same where the system
/// does not tell what a thread takes.
///
/// Everything that is measured runs on the thread that measures it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopwatch {
    clock: SystemClock,
    /// What the thread had taken at the start.
    cpu: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        let clock = SystemClock::start();
        Self { clock, cpu: clock.processor().unwrap_or_default() }
    }

    pub(crate) fn cpu_s(&self) -> f64 {
        let taken =
            self.clock.processor().map_or_else(|| self.clock.now(), |now| now.saturating_sub(self.cpu));
        taken.as_secs_f64()
    }

    pub(crate) fn wall_s(&self) -> f64 {
        self.clock.now().as_secs_f64()
    }
}

/// Year, month and day in UTC (Hinnant's algorithm for the civil calendar).
pub(crate) fn date(seconds: u64) -> String {
    let days = seconds / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Hours and minutes of the day in UTC.
pub(crate) fn time(seconds: u64) -> String {
    let minutes = seconds / 60 % 1_440;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::{date, time};

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, day) in [(0, "1970-01-01"), (951_782_400, "2000-02-29"), (1_795_737_600, "2026-11-27")]
        {
            assert_eq!(date(seconds), day);
        }
        assert_eq!(date(1_798_761_599), "2026-12-31");
        assert_eq!([0, 59, 86_399].map(time), ["00:00", "00:00", "23:59"]);
        assert_eq!(date(1_798_761_600), "2027-01-01");
    }
}
