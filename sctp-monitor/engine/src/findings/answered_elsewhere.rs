//! HEARTBEATs are answered from another address than the one that they went to.
//!
//! Information: the path works, but shares its return direction with another one.

use crate::{
    findings::seen::PathSeen,
    model::{AnsweredElsewhere, Direction, Evidence, Object, Severity, Side},
};

impl AnsweredElsewhere {
    pub(crate) const SEVERITY: Severity = Severity::Info;

    /// What to check next.
    pub(crate) fn check(&self, object: Object) -> String {
        let asked = self.asked(object);
        format!(
            "routes and source address selection of the host that has {asked}: two paths may share one return route"
        )
    }

    /// Who is asked, and who answers.
    pub(super) fn words(&self, object: Object) -> String {
        format!(
            "HEARTBEATs to {} are answered from {}",
            self.asked(object),
            self.source
        )
    }

    /// Where the HEARTBEATs go.
    fn asked(&self, object: Object) -> String {
        match (object, self.direction) {
            (Object::Path(path), Direction::Forward) => path.remote.to_string(),
            (Object::Path(path), Direction::Return) => path.local.to_string(),
            _ => "the peer".to_owned(),
        }
    }
}

/// Where the answers to HEARTBEATs come from, on flows whose answers are judged. An address that a translator puts in the place of the
/// one that was asked is none other.
pub(super) fn rule(seen: &PathSeen<'_>) -> impl Iterator<Item = Evidence> {
    seen.judged().filter_map(|flow| {
        let (direction, source) = (flow.member?.direction, flow.answered_from()?);
        let side = match direction {
            Direction::Forward => Side::Remote,
            Direction::Return => Side::Local,
        };
        let own = seen.association.addresses(side).own(source);
        (own != side.of(&seen.id)).then_some(Evidence::AnsweredElsewhere(AnsweredElsewhere {
            direction,
            source,
        }))
    })
}
