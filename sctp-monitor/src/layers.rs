//! NICs that stand on each other: the same packets pass both, and would be counted twice.

use std::fmt;

/// A NIC, and those that it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its kind, if the kernel has made it.
    pub kind: Option<&'a str>,
    /// The name and the kind of the NIC whose member it is.
    pub master: Option<(&'a str, Option<&'a str>)>,
    /// The NIC below it.
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

/// A NIC that is better not watched beside another one; says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut<'a> {
    /// Its name.
    pub name: &'a str,
    /// The one that is watched.
    pub beside: &'a str,
    /// Whether all its packets are seen there.
    all: bool,
}

/// Those of the NICs that are better not watched beside the others.
///
/// Of a bond and its members the bond is watched: in active-backup, a member that is not active may see what the switch floods. Of
/// a bridge and its ports the bridge, which carries all that this host sends and receives; where forwarded packets count, the
/// ports. Of a VLAN and the NIC below that one, which carries all of them; where packets may be moved, the VLAN. NICs of other kinds
/// put their packets into others (macsec, tunnels), or are switched elsewhere (Open vSwitch): both are watched.
#[must_use]
pub fn left_out<'a>(nics: &[Layer<'a>], purpose: Purpose) -> Vec<LeftOut<'a>> {
    let is_there = |name: &str| nics.iter().any(|nic| nic.name == name);
    let mut left_out: Vec<LeftOut<'_>> = Vec::new();
    for nic in nics {
        let with_master = nic.master.filter(|(master, _)| is_there(master));
        let with_master = with_master.and_then(|(master, kind)| match kind {
            Some("bridge") if purpose.forwarded => Some((master, nic.name, false)),
            Some("bridge" | "bond" | "team") => Some((nic.name, master, true)),
            _ => None,
        });
        let is_part = matches!(
            nic.kind,
            Some("vlan" | "macvlan" | "macvtap" | "ipvlan" | "ipvtap")
        );
        let with_lower = nic.lower.filter(|lower| is_part && is_there(lower)).map(|lower| {
            if purpose.moved {
                (lower, nic.name, false)
            } else {
                (nic.name, lower, true)
            }
        });
        for (name, beside, all) in with_master.into_iter().chain(with_lower) {
            if left_out.iter().all(|known| known.name != name) {
                left_out.push(LeftOut { name, beside, all });
            }
        }
    }
    left_out
}

impl fmt::Display for LeftOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beside = self.beside;
        if self.all {
            write!(
                f,
                "its packets are seen on {beside} as well, and would be counted twice"
            )
        } else {
            write!(
                f,
                "it carries the packets of {beside} too, which would be counted twice; what does not pass {beside} is not seen"
            )
        }
    }
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
            kind: None,
            master: None,
            lower: None,
        }
    }

    fn member<'a>(name: &'a str, master: &'a str, kind: &'a str) -> Layer<'a> {
        Layer {
            master: Some((master, Some(kind))),
            ..nic(name)
        }
    }

    fn on<'a>(name: &'a str, kind: &'a str, lower: &'a str) -> Layer<'a> {
        Layer {
            kind: Some(kind),
            lower: Some(lower),
            ..nic(name)
        }
    }

    fn names<'a>(nics: &[Layer<'a>], purpose: Purpose) -> Vec<(&'a str, &'a str)> {
        let all = left_out(nics, purpose).into_iter();
        all.map(|left_out| (left_out.name, left_out.beside)).collect()
    }

    #[test]
    fn a_bond_is_watched_and_not_its_members() {
        let all = [
            member("eth0", "bond0", "bond"),
            nic("bond0"),
            member("eth1", "bond0", "bond"),
            nic("eth2"),
        ];
        assert_eq!(names(&all, HOST), [("eth0", "bond0"), ("eth1", "bond0")]);
        assert_eq!(names(&all[2..], HOST), [], "the bond was not asked for");
        let switched = [member("eth0", "ovs-system", "openvswitch"), nic("ovs-system")];
        assert_eq!(names(&switched, HOST), []);
    }

    #[test]
    fn a_bridge_is_watched_on_a_host_and_its_ports_between_hosts() {
        let all = [
            nic("br0"),
            member("eth0", "br0", "bridge"),
            member("eth1", "br0", "bridge"),
        ];
        assert_eq!(names(&all, HOST), [("eth0", "br0"), ("eth1", "br0")]);
        let gateway = Purpose {
            forwarded: true,
            ..HOST
        };
        assert_eq!(names(&all, gateway), [("br0", "eth0")]);
    }

    #[test]
    fn the_nic_below_a_vlan_is_watched_unless_packets_may_be_moved() {
        let all = [
            nic("eth0"),
            on("eth0.5", "vlan", "eth0"),
            on("eth0.6", "vlan", "eth0"),
        ];
        assert_eq!(names(&all, HOST), [("eth0.5", "eth0"), ("eth0.6", "eth0")]);
        let moved = Purpose { moved: true, ..HOST };
        assert_eq!(names(&all, moved), [("eth0", "eth0.5")]);
        let words = left_out(&all, moved)[0].to_string();
        assert!(words.contains("what does not pass eth0.5 is not seen"), "{words}");
        let encrypted = [nic("eth0"), on("macsec0", "macsec", "eth0")];
        assert_eq!(names(&encrypted, HOST), [], "its packets are not readable below");
    }
}
