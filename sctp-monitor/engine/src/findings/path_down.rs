//! A path carries nothing, in one direction at least.
//!
//! A warning: the association goes on over its other paths. When none is left, that is `peer_down`.

use std::fmt;

use crate::model::{Broken, Object, PathDown, Severity};

impl PathDown {
    pub(crate) const SEVERITY: Severity = Severity::Warning;

    /// What to check next.
    pub(crate) fn check(&self, object: Object) -> String {
        let Object::Path(path) = object else {
            return "routes and filters between the two endpoints".to_owned();
        };
        let (local, remote) = (path.local, path.remote);
        match self.broken {
            Broken::Forward => format!(
                "route from {local} to {remote}; filters on IP protocol 132 on the way; reverse-path filter at {remote}"
            ),
            Broken::Return => format!(
                "route and source address of the peer from {remote} to {local}; filters on IP protocol 132 on the way; \
                 reverse-path filter at {local}"
            ),
            Broken::Both | Broken::Unknown => format!(
                "ping {remote} from {local}; ARP/neighbour entry of the next hop; switches between the two"
            ),
        }
    }
}

impl fmt::Display for PathDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.broken {
            Broken::Unknown => "path down: ",
            Broken::Forward => "path down, forward direction only: ",
            Broken::Return => "path down, return direction only: ",
            Broken::Both => "path down, both directions: ",
        })?;
        self.reason.fmt(f)
    }
}
