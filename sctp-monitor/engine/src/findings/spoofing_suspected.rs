//! Somebody sends packets in an endpoint's name.

use crate::{
    findings::seen::Surroundings,
    model::{Diagnosis, Forgery, Suspicion},
    registry::forgery::Account,
};

/// What the registry suspects, as it is reported.
pub(super) fn rule(
    suspected: Vec<(Forgery, Account)>,
    around: Surroundings<'_>,
) -> impl Iterator<Item = Diagnosis> {
    let suspicion = move |(forgery, account): (Forgery, Account)| Suspicion {
        forgery,
        packets: account.packets,
        tag: account.tag,
        chunks: account.chunk_kinds(),
        interface: account.if_index.and_then(|index| around.nics.name(index)),
        lasting: account.lasting(),
        sources: account.sources,
    };
    suspected
        .into_iter()
        .map(suspicion)
        .map(Diagnosis::SpoofingSuspected)
}
