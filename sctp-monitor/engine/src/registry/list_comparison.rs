//! What endpoints list of their addresses, compared with what they, and others, listed before.

use crate::{
    model::Side,
    registry::{
        address_list::{AddressList, OtherEndpoint},
        association::Association,
        associations::Associations,
    },
};

impl AddressList {
    /// What an association before had listed of this endpoint, whichever side it was then.
    pub(super) fn compare(&mut self, old: &Association) {
        let same = |list: &&AddressList| list.source == self.source;
        if let Some(list) = old.lists.iter().find(same) {
            self.before.clone_from(&list.listed);
        }
    }

    /// The first other endpoint with this port that lists some of these addresses, though it is not the same by its source.
    pub(super) fn find_other(&mut self, port: u16, associations: &Associations) {
        if self.listed.is_empty() {
            return;
        }
        self.other = associations
            .iter()
            .filter(|other| other.is_established())
            .find_map(|other| {
                let lists = other.lists.iter().filter(|list| {
                    other.port(list.side) == port && list.is_foreign_to(self) && self.is_foreign_to(list)
                });
                lists.into_iter().find_map(|list| {
                    let both = self.listed.iter().filter(|address| list.listed.contains(address));
                    let shared: Vec<_> = both.copied().collect();
                    (!shared.is_empty()).then_some(OtherEndpoint {
                        association: other.id,
                        source: list.source,
                        shared,
                    })
                })
            });
    }
}

impl Association {
    fn port(&self, side: Side) -> u16 {
        match side {
            Side::Local => self.local_port,
            Side::Remote => self.remote_port,
        }
    }
}
