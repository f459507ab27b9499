//! NICs that are gone or could not be watched when they came back, and when that is tried again.
//!
//! A NIC that has just come back may be refused for a moment: its driver is not ready, or another program is on it. It is tried
//! again after a second, and then after twice as long each time.

use std::time::Duration;

use sctp_monitor_engine::model::Timestamp;

/// The NICs that should be watched and are not.
#[derive(Debug, Default)]
pub struct Lost(Vec<Nic>);

#[derive(Debug)]
struct Nic {
    /// All names that it had: it may come back by any.
    names: Vec<String>,
    /// Why it was refused last, how often in a row, and when it is tried again.
    refused: Option<(String, u32, Timestamp)>,
}

impl Lost {
    /// A NIC is gone, or never was there, that has or had these names.
    pub fn add(&mut self, names: &[&str]) {
        for name in names {
            self.remove(name);
        }
        let mut names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        names.dedup();
        self.0.push(Nic { names, refused: None });
    }

    /// By which name the operator asked for it.
    #[must_use]
    pub fn first_name(&self, name: &str) -> Option<&str> {
        let nic = self.0.iter().find(|nic| nic.has(name))?;
        nic.names.first().map(String::as_str)
    }

    /// It is watched.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|nic| !nic.has(name));
    }

    /// Whether it should be watched when it comes back.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|nic| nic.has(name))
    }

    /// It came back and was refused; gives whether that is news.
    pub fn on_refused(&mut self, name: &str, why: String, now: Timestamp) -> bool {
        let Some(nic) = self.0.iter_mut().find(|nic| nic.has(name)) else {
            return false;
        };
        let (before, times) = match nic.refused.take() {
            Some((before, times, _)) => (Some(before), times.saturating_add(1)),
            None => (None, 0),
        };
        let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX));
        let is_news = before.as_deref() != Some(&why);
        nic.refused = Some((why, times, now + pause.min(LONGEST_PAUSE)));
        is_news
    }

    /// It is not tried before that time, and why.
    pub fn postpone(&mut self, name: &str, why: &str, until: Timestamp) {
        if let Some(nic) = self.0.iter_mut().find(|nic| nic.has(name)) {
            nic.refused = Some((why.to_owned(), 0, until));
        }
    }

    /// Whether it was refused, and is tried again later.
    #[must_use]
    pub fn is_refused(&self, name: &str) -> bool {
        self.0.iter().any(|nic| nic.has(name) && nic.refused.is_some())
    }

    /// All of them, by the name that was asked for, and why they are not watched.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|nic| {
            let why = nic.refused.as_ref().map_or("it is not there", |(why, ..)| why);
            Some((nic.names.first()?.as_str(), why))
        })
    }

    /// The names of each of those that were refused and are to be tried again by now.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<Vec<String>> {
        let is_due = |nic: &&Nic| matches!(nic.refused, Some((_, _, at)) if at <= now);
        self.0
            .iter()
            .filter(is_due)
            .map(|nic| nic.names.clone())
            .collect()
    }
}

impl Nic {
    fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// As often as that a NIC that stays refused costs nothing.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_refused_is_tried_again_with_growing_pauses_and_told_of_once() {
        let mut lost = Lost::default();
        lost.add(&["path1"]);
        let mut tried = Vec::new();
        let mut told = Vec::new();
        for second in 0..200 {
            let now = Timestamp::from_nanos(second * 1_000_000_000);
            if second == 10 || lost.due(now) == [["path1"]] {
                tried.push(second);
                let why = if second < 100 { "busy" } else { "too large" };
                if lost.on_refused("path1", why.to_owned(), now) {
                    told.push(second);
                }
            }
        }
        assert_eq!(tried, [10, 11, 13, 17, 25, 41, 73, 133, 193]);
        assert_eq!(told, [10, 133]);
        lost.remove("path1");
        assert!(!lost.has("path1") && lost.due(Timestamp::from_nanos(u64::MAX)).is_empty());
    }

    #[test]
    fn one_that_was_renamed_may_come_back_by_any_name() {
        let mut lost = Lost::default();
        lost.add(&["ens1", "wan0"]);
        assert!(lost.has("ens1") && lost.has("wan0"));
        let now = Timestamp::from_nanos(1_000_000_000);
        assert!(lost.on_refused("wan0", "busy".to_owned(), now) && lost.is_refused("ens1"));
        assert_eq!(lost.due(now + FIRST_PAUSE), [["ens1", "wan0"]], "once");
        assert_eq!(lost.all().collect::<Vec<_>>(), [("ens1", "busy")]);
        lost.add(&["ens1", "ens1"]);
        lost.postpone("ens1", "taken off", now + LONGEST_PAUSE);
        assert!(lost.due(now + FIRST_PAUSE).is_empty());
        assert_eq!(lost.due(now + LONGEST_PAUSE), [["ens1"]]);
        lost.add(&["ens1", "wan0"]);
        assert_eq!(lost.first_name("wan0"), Some("ens1"));
        lost.remove("ens1");
        assert!(!lost.has("wan0"), "it is watched");
    }

    #[test]
    fn one_that_goes_again_begins_anew() {
        let mut lost = Lost::default();
        let now = Timestamp::from_nanos(1_000_000_000);
        lost.add(&["path1"]);
        assert!(lost.has("path1") && lost.due(now).is_empty(), "it is not back");
        assert!(lost.on_refused("path1", "busy".to_owned(), now));
        lost.add(&["path1"]);
        assert!(lost.due(now + LONGEST_PAUSE).is_empty());
        assert!(lost.on_refused("path1", "busy".to_owned(), now), "told again");
        assert!(!lost.on_refused("path2", "busy".to_owned(), now), "nobody's");
    }
}
