//! Times, lengths and sizes as people read them, and words that come from elsewhere.

use std::time::Duration;

pub(crate) use sctp_monitor_engine::model::words::{
    date, date_time, how_known, list, plural, streams, tag, time_of_day,
};
use sctp_monitor_engine::model::{Short, Timestamp};

/// The time between two moments.
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    to.since(from)
}

/// `85.3 ms`, `17.2 s`, `3h 12m 5s`.
pub(crate) fn length(time: Duration) -> String {
    if time < TWO_MINUTES {
        return Short(time).to_string();
    }
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}

const TWO_MINUTES: Duration = Duration::from_secs(120);

/// A number with a prefix of its unit: `20 kB/s`.
pub(crate) fn with_prefix(value: f64, unit: &str) -> String {
    let (value, prefix) = match value {
        value if value >= 1e9 => (value / 1e9, "G"),
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let digits = usize::from(value < 10.0 && value.fract() != 0.0);
    format!("{value:.digits$} {prefix}{unit}")
}

/// Words from the capture or the command line, on one line. What would change the direction or the place of the words
/// around it (Unicode's bidirectional controls, line breaks, zero width) becomes a replacement character; markup is
/// escaped where the page is put together.
pub(crate) fn clean(words: &str) -> String {
    words
        .chars()
        .map(|sign| match sign {
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                char::REPLACEMENT_CHARACTER
            }
            sign if sign.is_control() => char::REPLACEMENT_CHARACTER,
            sign => sign,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_have_units_that_people_use() {
        assert_eq!(length(Duration::from_micros(85_300)), "85.3 ms");
        assert_eq!(length(Duration::from_millis(11_525_400)), "3h 12m 5s");
        assert_eq!(with_prefix(20_000.0, "B/s"), "20 kB/s");
        assert_eq!(with_prefix(2_500_000.0, "B/s"), "2.5 MB/s");
        assert_eq!(with_prefix(0.0, "B/s"), "0 B/s");
    }

    #[test]
    fn words_cannot_turn_the_page_around() {
        assert_eq!(clean("a\u{202e}b\nc"), "a\u{fffd}b\u{fffd}c");
    }
}
