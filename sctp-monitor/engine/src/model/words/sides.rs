//! What the two endpoints of an association are called.

use std::net::IpAddr;

use crate::model::{Object, Side, Sides};

impl Sides {
    /// At the head of a column or row: `local`, `initiator`, `A`.
    #[must_use]
    pub const fn label(self, side: Side) -> &'static str {
        match (self, side) {
            (Self::ThisHost, Side::Local) => "local",
            (Self::ThisHost, Side::Remote) => "remote",
            (Self::Initiator, Side::Local) => "initiator",
            (Self::Initiator, Side::Remote) => "responder",
            (Self::SideA, Side::Local) => "A",
            (Self::SideA, Side::Remote) => "B",
        }
    }

    /// In a sentence: `the local endpoint`, `the initiator`, `side A`.
    #[must_use]
    pub const fn endpoint(self, side: Side) -> &'static str {
        match (self, side) {
            (Self::ThisHost, Side::Local) => "the local endpoint",
            (Self::ThisHost, Side::Remote) => "the remote endpoint",
            (Self::Initiator, Side::Local) => "the initiator",
            (Self::Initiator, Side::Remote) => "the responder",
            (Self::SideA, Side::Local) => "side A",
            (Self::SideA, Side::Remote) => "side B",
        }
    }

    /// One of an endpoint's addresses: `local address 10.1.1.1`, `initiator's address 10.1.1.1`.
    #[must_use]
    pub fn address(self, side: Side, address: IpAddr) -> String {
        match self {
            Self::ThisHost => format!("{} address {address}", self.label(side)),
            Self::Initiator => format!("{}'s address {address}", self.label(side)),
            Self::SideA => format!("side {}'s address {address}", self.label(side)),
        }
    }

    /// Both endpoints with their addresses: `10.1.1.1 to 10.1.1.2`, `initiator 10.1.1.1 to responder 10.1.1.2`.
    pub(super) fn both(self, [local, remote]: [&str; 2]) -> String {
        match self {
            Self::ThisHost => format!("{local} to {remote}"),
            Self::Initiator => format!("initiator {local} to responder {remote}"),
            Self::SideA => format!("side A {local} to side B {remote} (A has the lowest address)"),
        }
    }
}

impl Object {
    /// What a finding is about, by the names of the endpoints.
    #[must_use]
    pub fn words(self, sides: Sides) -> String {
        match self {
            Self::Association => "association".to_owned(),
            Self::Local(address) => sides.address(Side::Local, address),
            Self::Remote(address) => sides.address(Side::Remote, address),
            Self::Path(path) => format!("path {path}"),
        }
    }
}
