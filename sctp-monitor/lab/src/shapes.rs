//! How labs are described, and the two that most tests use.

use crate::builder::{Builder, End};
use crate::error::LabError;
use crate::topology::Lab;

impl Lab {
    /// Starts to describe a lab.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The usual pair: hosts `mme` and `hss`, paths and interfaces `path1` and `path2`, with 10.1.N.1 and fd00:1:N::1 on
    /// the side of `mme`, 10.1.N.2 and fd00:1:N::2 on that of `hss`.
    ///
    /// # Errors
    /// See [`Builder::build`].
    pub fn two_hosts_two_paths() -> Result<Self, LabError> {
        let mut lab = Self::builder();
        for path in 1..=2 {
            let name = format!("path{path}");
            let end = |node, host| {
                End::new(node, &name)
                    .address(&format!("10.1.{path}.{host}/24"))
                    .address(&format!("fd00:1:{path}::{host}/64"))
            };
            lab = lab.path(&name, end("mme", 1), end("hss", 2));
        }
        lab.build()
    }

    /// Two hosts with a router between them, for a monitor that watches the router's NICs: `mme` - `gateway` - `hss`
    /// over two lines. Line N is made of the paths `leftN`, from interface `pathN` of `mme` (10.1.N.1, fd00:1:N::1) to
    /// interface `leftN` of the router, and `rightN`, from its interface `rightN` to interface `pathN` of `hss`
    /// (10.2.N.2, fd00:2:N::2). The router has host number 254 (`fe`) everywhere.
    ///
    /// # Errors
    /// See [`Builder::build`].
    pub fn two_hosts_through_a_router() -> Result<Self, LabError> {
        let mut lab = Self::builder().router("gateway");
        for line in 1..=2 {
            let end = |node: &str, interface: &str, side, [v4, v6]: [&str; 2]| {
                End::new(node, &format!("{interface}{line}"))
                    .address(&format!("10.{side}.{line}.{v4}/24"))
                    .address(&format!("fd00:{side}:{line}::{v6}/64"))
            };
            let router = ["254", "fe"];
            lab = lab
                .path(
                    &format!("left{line}"),
                    end("mme", "path", 1, ["1", "1"]),
                    end("gateway", "left", 1, router),
                )
                .path(
                    &format!("right{line}"),
                    end("gateway", "right", 2, router),
                    end("hss", "path", 2, ["2", "2"]),
                );
            for (host, here, there) in [("mme", 1, 2), ("hss", 2, 1)] {
                lab = lab
                    .route(
                        host,
                        &format!("10.{there}.{line}.0/24"),
                        &format!("10.{here}.{line}.254"),
                    )
                    .route(
                        host,
                        &format!("fd00:{there}:{line}::/64"),
                        &format!("fd00:{here}:{line}::fe"),
                    );
            }
        }
        lab.build()
    }
}
