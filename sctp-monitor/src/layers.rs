//! NICs that stand on each other: the same packets pass both, and would be counted twice.

/// A NIC, and those that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Its name.
    pub name: &'a str,
    /// The bond, team or bridge whose member it is.
    pub master: Option<&'a str>,
    /// Whether that is a bridge.
    pub is_port: bool,
    /// The NIC below a VLAN, MACVLAN and the like.
    pub lower: Option<&'a str>,
}

/// What the NICs are watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose {
    /// Packets between other hosts count: a bridge forwards them past its own NIC.
    pub forwarded: bool,
    /// Packets may be moved: the NIC is needed that owns the addresses.
    pub moved: bool,
}

/// Those of the NICs that are better not watched beside the others, each with the one on which its packets are seen.
///
/// Of a bond and its members the bond is watched: in active-backup, a member that is not active may see what the switch floods. Of
/// a bridge and its ports the bridge, which carries all that this host sends and receives; where forwarded packets count, the
/// ports. Of a VLAN and the NIC below that one, which carries all of them; where packets may be moved, the VLAN.
#[must_use]
pub fn left_out<'a>(nics: &[Layer<'a>], purpose: Purpose) -> Vec<(&'a str, &'a str)> {
    let is_there = |name: &&str| nics.iter().any(|nic| nic.name == *name);
    let mut left_out: Vec<(&str, &str)> = Vec::new();
    for nic in nics {
        let with_master = nic.master.filter(is_there).map(|master| {
            if nic.is_port && purpose.forwarded {
                (master, nic.name)
            } else {
                (nic.name, master)
            }
        });
        let with_lower = nic.lower.filter(is_there).map(|lower| {
            if purpose.moved {
                (lower, nic.name)
            } else {
                (nic.name, lower)
            }
        });
        for (name, seen_on) in with_master.into_iter().chain(with_lower) {
            if left_out.iter().all(|(known, _)| *known != name) {
                left_out.push((name, seen_on));
            }
        }
    }
    left_out
}

/// Why one is left out, in words.
#[must_use]
pub fn why(seen_on: &str) -> String {
    format!("its packets are seen on {seen_on} as well, and would be counted twice")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: Purpose = Purpose {
        forwarded: false,
        moved: false,
    };

    fn nic(name: &str) -> Layer<'_> {
        Layer {
            name,
            master: None,
            is_port: false,
            lower: None,
        }
    }

    fn member<'a>(name: &'a str, master: &'a str) -> Layer<'a> {
        Layer {
            master: Some(master),
            ..nic(name)
        }
    }

    fn on<'a>(name: &'a str, lower: &'a str) -> Layer<'a> {
        Layer {
            lower: Some(lower),
            ..nic(name)
        }
    }

    #[test]
    fn a_bond_is_watched_and_not_its_members() {
        let all = [
            member("eth0", "bond0"),
            nic("bond0"),
            member("eth1", "bond0"),
            nic("eth2"),
        ];
        assert_eq!(left_out(&all, HOST), [("eth0", "bond0"), ("eth1", "bond0")]);
        assert_eq!(left_out(&all[2..], HOST), [], "the bond was not asked for");
    }

    #[test]
    fn a_bridge_is_watched_on_a_host_and_its_ports_between_hosts() {
        let port = |name| Layer {
            is_port: true,
            ..member(name, "br0")
        };
        let all = [nic("br0"), port("eth0"), port("eth1")];
        assert_eq!(left_out(&all, HOST), [("eth0", "br0"), ("eth1", "br0")]);
        let gateway = Purpose {
            forwarded: true,
            ..HOST
        };
        assert_eq!(left_out(&all, gateway), [("br0", "eth0")]);
    }

    #[test]
    fn the_nic_below_a_vlan_is_watched_unless_packets_may_be_moved() {
        let all = [nic("eth0"), on("eth0.5", "eth0"), on("eth0.6", "eth0")];
        assert_eq!(left_out(&all, HOST), [("eth0.5", "eth0"), ("eth0.6", "eth0")]);
        let moved = Purpose { moved: true, ..HOST };
        assert_eq!(left_out(&all, moved), [("eth0", "eth0.5")]);
    }
}
