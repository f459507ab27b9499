//! Which NICs are to be watched: those that were named, those whose names match a pattern, or those that carry SCTP.

use std::{collections::BTreeSet, fs, io, net::IpAddr};

use glob::Pattern;
use nix::ifaddrs::getifaddrs;

/// What the operator asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Names, in their order.
    pub names: Vec<String>,
    patterns: Vec<Pattern>,
}

impl Wanted {
    /// Names, and patterns with `*`, `?` or `[`.
    ///
    /// # Errors
    /// If a pattern is none.
    pub fn parse(asked: &[String]) -> Result<Self, glob::PatternError> {
        let is_pattern = |name: &&String| name.contains(['*', '?', '[']);
        let patterns = asked
            .iter()
            .filter(is_pattern)
            .map(|pattern| Pattern::new(pattern));
        Ok(Self {
            names: asked.iter().filter(|name| !is_pattern(name)).cloned().collect(),
            patterns: patterns.collect::<Result<_, _>>()?,
        })
    }

    /// Those with these names.
    #[must_use]
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self {
            names: names.into_iter().collect(),
            patterns: Vec::new(),
        }
    }

    /// Whether a pattern has this name.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(name))
    }

    /// The patterns, as they were written.
    #[must_use]
    pub fn patterns(&self) -> Vec<&str> {
        self.patterns.iter().map(Pattern::as_str).collect()
    }
}

/// The NICs of this network namespace that carry SCTP, and how that is known.
///
/// # Errors
/// If the kernel does not tell its addresses.
pub fn that_carry_sctp() -> io::Result<(BTreeSet<String>, &'static str)> {
    let of_associations = of_associations()?;
    if of_associations.is_empty() {
        return Ok((
            owners(|address| !is_link_local(address))?,
            "all that own an address: the kernel's SCTP has no association now",
        ));
    }
    Ok((
        of_associations,
        "those that own the addresses of the kernel's SCTP associations (/proc/net/sctp/assocs)",
    ))
}

/// The NICs that own the addresses of the kernel's SCTP associations.
///
/// # Errors
/// If the kernel does not tell its addresses.
pub fn of_associations() -> io::Result<BTreeSet<String>> {
    let bound = bound_addresses();
    owners(|address| bound.contains(&address))
}

/// The NICs that own such an address, the loopback aside.
fn owners(is_one: impl Fn(IpAddr) -> bool) -> io::Result<BTreeSet<String>> {
    let all = getifaddrs()?.filter_map(|one| Some((one.interface_name, address(one.address.as_ref()?)?)));
    let owners = all.filter(|(_, address)| !address.is_loopback() && is_one(*address));
    // An address may have a label of its own in place of the name (`eth0:1`).
    let name = |label: String| label.split(':').next().map(str::to_owned);
    Ok(owners.filter_map(|(label, _)| name(label)).collect())
}

fn address(address: &nix::sys::socket::SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// None where the kernel has no SCTP, or its own is not used.
fn bound_addresses() -> BTreeSet<IpAddr> {
    fs::read_to_string("/proc/thread-self/net/sctp/assocs")
        .map_or_else(|_| BTreeSet::new(), |text| local_addresses(&text))
}

/// The local addresses in /proc/net/sctp/assocs: between the remote port and `<->` (`sctp_assocs_seq_show`, net/sctp/proc.c); a primary
/// one has an asterisk.
fn local_addresses(assocs: &str) -> BTreeSet<IpAddr> {
    let lines = assocs.lines().filter_map(|line| line.split_once("<->"));
    lines
        .flat_map(|(before, _)| before.split_whitespace())
        .filter_map(|word| word.trim_start_matches('*').parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns_are_told_apart() {
        let asked = ["eth0", "ens*", "p?p1"].map(str::to_owned);
        let wanted = Wanted::parse(&asked).unwrap();
        assert_eq!(wanted.names, ["eth0"]);
        assert_eq!(wanted.patterns(), ["ens*", "p?p1"]);
        assert!(wanted.matches("ens3f0") && wanted.matches("p2p1"));
        assert!(!wanted.matches("eth0") && !wanted.matches("lens1"));
        assert!(Wanted::parse(&["a[".to_owned()]).is_err());
    }

    /// Linux 6.12.
    #[test]
    fn the_local_addresses_of_associations_are_read() {
        let assocs = " ASSOC     SOCK   STY SST ST HBKT ASSOC-ID TX_QUEUE RX_QUEUE UID INODE LPORT RPORT LADDRS <-> RADDRS HBINT INS OUTS MAXRT\n\
            ffff8 ffff9 2 1 3 0 1 0 0 0 1234 3868 40001  *10.1.1.1 10.1.2.1 fd00::1 <-> *10.1.1.2 10.1.2.2 \t 30000 10 10 10\n";
        let expected = ["10.1.1.1", "10.1.2.1", "fd00::1"].map(|text| text.parse().unwrap());
        assert_eq!(local_addresses(assocs), BTreeSet::from(expected));
        assert_eq!(local_addresses("nonsense\n"), BTreeSet::new());
    }

    #[test]
    fn the_loopback_carries_none() {
        let (names, _) = that_carry_sctp().unwrap();
        assert!(!names.contains("lo"), "{names:?}");
    }
}
