//! What an endpoint can tell of a path from what it receives, though it sends nothing that is answered: the peer's DATA comes
//! another way, and its HEARTBEATs stay out or are repeated.
//!
//! Nobody who receives can tell a packet that was lost from one that was never sent. So what counts is what the peer does: it
//! sends again over another path what this one had, or leaves an idle path without the HEARTBEATs that it used to send. Where the
//! local stack's own HEARTBEATs are answered later, the path works, whatever the peer does.

use std::time::Duration;

use super::{Detector, Verdict, received::Elsewhere, weigh::Weighed};
use crate::{
    model::{Reason, Timestamp},
    path::rhythm::Rhythm,
};

impl Detector {
    pub(super) fn weigh_received(
        &mut self,
        rhythm: &Rhythm,
        elsewhere: Option<Elsewhere>,
        heard_at: Timestamp,
        now: Timestamp,
    ) -> Option<Weighed> {
        let elsewhere = elsewhere?;
        let found = [
            self.weigh_data_elsewhere(elsewhere, heard_at, now),
            self.weigh_silence(rhythm, elsewhere, heard_at, now),
            weigh_repeated(rhythm, elsewhere),
        ];
        let is_dead = |found: &Weighed| matches!(found.0, Verdict::Dead(_));
        let worst = found.iter().flatten().find(|found| is_dead(found));
        worst.or_else(|| found.iter().flatten().next()).cloned()
    }

    fn weigh_data_elsewhere(
        &mut self,
        elsewhere: Elsewhere,
        heard_at: Timestamp,
        now: Timestamp,
    ) -> Option<Weighed> {
        let received = self.received;
        let (data_at, came_at) = (received.data_at?, elsewhere.data_at?);
        let moving = came_at.since(data_at);
        if came_at > data_at && moving <= MOVING {
            self.look_later(now + MEANWHILE);
        }
        let round_at = received.round_at?;
        // A chunk that had not come here says nothing any more once something else has.
        let arrives_again = received.duplicates == 0 && heard_at > round_at;
        if moving < RTO_INITIAL || arrives_again || elsewhere.proved_at > Some(round_at) {
            return None;
        }
        let at = round_at.max(data_at + RTO_INITIAL);
        let reason = Reason::DataElsewhere {
            missing: received.missing,
            duplicates: received.duplicates,
            silent_for: at.since(data_at),
        };
        let verdict = if received.rounds >= ROUNDS {
            Verdict::Dead(reason)
        } else {
            Verdict::Suspect(reason)
        };
        Some((verdict, at))
    }

    fn weigh_silence(
        &mut self,
        rhythm: &Rhythm,
        elsewhere: Elsewhere,
        heard_at: Timestamp,
        now: Timestamp,
    ) -> Option<Weighed> {
        // An idle path has HEARTBEATs; one that DATA has left is idle since.
        let has_left = elsewhere.data_at > self.received.data_at && self.received.data_at.is_some();
        let usual = rhythm.usual().or(elsewhere.usual.filter(|_| has_left))?;
        let (since, heard_elsewhere_at) = self.received.heard_elsewhere?;
        let silent_since = Some(heard_at).max(Some(since)).max(elsewhere.proved_at)?;
        let doubtful_at = silent_since + usual * 3 / 2 + RTO_INITIAL;
        let intervals = if has_left { 5 } else { 7 };
        let dead_at = silent_since + usual * intervals / 2 + RTO_INITIAL;
        let next = if heard_elsewhere_at < doubtful_at {
            doubtful_at
        } else {
            dead_at
        };
        // How the other paths do must not be left out for long.
        self.look_later(next.max(now + MEANWHILE).min(now + usual / 2));
        let reason = |at: Timestamp| Reason::HeartbeatsStayOut {
            silent_for: at.since(heard_at),
            usual,
        };
        if heard_elsewhere_at >= dead_at {
            Some((Verdict::Dead(reason(dead_at)), dead_at))
        } else if heard_elsewhere_at >= doubtful_at {
            Some((Verdict::Suspect(reason(doubtful_at)), doubtful_at))
        } else {
            None
        }
    }
}

/// What came behind the last HEARTBEAT says nothing of them; those before a proof that the path works count no more.
fn weigh_repeated(rhythm: &Rhythm, elsewhere: Elsewhere) -> Option<Weighed> {
    let (usual, interval, last_at) = (rhythm.usual()?, rhythm.newest()?, rhythm.last_at()?);
    let since_proof = elsewhere
        .proved_at
        .map_or(f64::MAX, |at| last_at.since(at).div_duration_f64(interval));
    let heartbeats = rhythm.repeated().min(since_proof as u32);
    if heartbeats < REPEATED {
        return None;
    }
    let reason = Reason::HeartbeatsRepeated {
        heartbeats,
        interval,
        usual,
    };
    let verdict = if heartbeats >= 2 * REPEATED {
        Verdict::Dead(reason)
    } else {
        Verdict::Suspect(reason)
    };
    Some((verdict, last_at))
}

/// See RFC 9260 section 16.
const RTO_INITIAL: Duration = Duration::from_secs(1);
/// So many time-outs of what a path had are no chance.
const ROUNDS: u32 = 3;
/// For so long DATA that comes another way may be what this path had.
const MOVING: Duration = Duration::from_secs(10);
/// How often is looked meanwhile.
const MEANWHILE: Duration = Duration::from_millis(300);
/// So many HEARTBEATs in a row that come too soon make a doubt, and twice as many a failure.
const REPEATED: u32 = 2;
