//! That nothing was seen since the watch began.

use std::{collections::BTreeSet, fmt, time::Duration};

use schemars::JsonSchema;
use sctp_monitor_engine::model::{Short, units::ms};
use serde::{Deserialize, Serialize};

/// That no SCTP packet was seen, in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoSctp {
    /// The time since the watch began.
    #[serde(rename = "within_ms", with = "ms")]
    #[schemars(with = "f64")]
    pub within: Duration,
    /// The NICs that are watched.
    pub interfaces: BTreeSet<String>,
    /// The NICs that own the addresses of the kernel's SCTP associations.
    pub carriers: BTreeSet<String>,
}

impl NoSctp {
    /// What to check next.
    #[must_use]
    pub fn check(&self) -> String {
        let missing: Vec<_> = self
            .carriers
            .difference(&self.interfaces)
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            return format!(
                "watch {} too: addresses of the kernel's SCTP associations are there (/proc/net/sctp/assocs)",
                missing.join(", ")
            );
        }
        "`tcpdump -i any sctp or udp port 9899`, also in other network namespaces (`ip netns`); whether the packets are in a tunnel \
         (ESP, GRE, VXLAN) or in UDP of another port (--udp-port)"
            .to_owned()
    }
}

impl fmt::Display for NoSctp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let watched: Vec<_> = self.interfaces.iter().map(String::as_str).collect();
        if watched.is_empty() {
            return f.write_str("no NIC is watched");
        }
        write!(
            f,
            "no SCTP packet seen in {} on {}",
            Short(self.within),
            watched.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_check_names_the_nics_that_carry_it() {
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect();
        let seen = NoSctp {
            within: Duration::from_secs(45),
            interfaces: names(&["eth0", "eth1"]),
            carriers: names(&["eth1", "eth2"]),
        };
        assert_eq!(seen.to_string(), "no SCTP packet seen in 45.0 s on eth0, eth1");
        assert!(seen.check().starts_with("watch eth2 too"), "{}", seen.check());
        let nowhere = NoSctp {
            carriers: BTreeSet::new(),
            ..seen
        };
        assert!(nowhere.check().contains("tcpdump"));
    }
}
