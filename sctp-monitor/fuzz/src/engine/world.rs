//! The engine and its flow table, driven as the agent drives them, by whatever comes.

use std::{collections::BTreeSet, time::Duration};

use sctp_monitor_common::{
    abi::Interface,
    track::{MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions},
};
use sctp_monitor_engine::{
    Engine, NicState, Session,
    config::{Config, Vantage},
    model::{Direction, Event, EventKind, Timestamp},
    session::Pace,
};
use sctp_monitor_testkit::{
    invariants::{check_reason, left_open},
    store::Store,
    traffic::Passed,
};

/// How often the agent sweeps.
pub(crate) const SWEEP: Duration = Pace::LIVE.sweep;

/// What the agent has, without a kernel.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) session: Session,
    pub(crate) now: Timestamp,
    events: Vec<Event>,
    vantage: Vantage,
}

impl World {
    pub(crate) fn new(vantage: Vantage, pace: Pace) -> Self {
        // A fuzzer leaves time out as it likes, and says itself when the agent stood still.
        let pace = Pace { stall: None, ..pace };
        let config = Config {
            vantage,
            ..Config::default()
        };
        Self {
            store: Store::default(),
            session: Session::new(config, Duration::from_nanos(1), pace),
            now: Timestamp::from_nanos(1_000_000_000_000),
            events: Vec::new(),
            vantage,
        }
    }

    /// A frame passes.
    pub(crate) fn frame(&mut self, frame: &[u8], passed: Passed) {
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        self.store.table.set_now(self.now.as_nanos());
        observe(
            &Frame(frame),
            self.interface(passed),
            &options,
            &mut self.store.table,
        );
    }

    /// Where a packet is seen.
    pub(crate) fn interface(&self, passed: Passed) -> Interface {
        let if_index = nic(passed.path);
        match (self.vantage, passed.leaves) {
            (Vantage::Endpoint, true) => Interface::egress(if_index),
            // A gateway has a NIC on each side, and sees what arrives there.
            (Vantage::Gateway, false) => Interface::ingress(if_index + 100),
            _ => Interface::ingress(if_index),
        }
    }

    pub(crate) fn nic(&mut self, path: u8, state: NicState) {
        let if_index = nic(path);
        self.session
            .handle_nic(if_index, &format!("ens{if_index}"), state, self.now);
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.session.engine()
    }

    /// Lets time pass, with a few sweeps: as many as the agent makes would take a fuzzer's time.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        let step = SWEEP.max(duration / 6);
        while self.now + step < end {
            self.now = self.now + step;
            self.sweep();
        }
        self.now = end;
        self.sweep();
    }

    /// What the agent's loop does. (That nothing is due again at once, the session asserts.)
    pub(crate) fn sweep(&mut self) {
        let Ok(()) = self.session.turn(&mut self.store, self.now);
        let due = self.session.next_turn(&self.store, self.now);
        let due = due.expect("housekeeping is always due");
        assert!(due > self.now, "due again at once");
        assert!(
            due <= self.now + Duration::from_secs(1),
            "due in {:?}",
            due.since(self.now)
        );
        while let Some(event) = self.session.poll_event() {
            check_text(&event);
            check_reason(&event);
            self.events.push(event);
        }
    }

    /// What holds at any time.
    pub(crate) fn check(&self) {
        left_open(&self.events);
        for association in self.engine().associations() {
            let mut slots = BTreeSet::new();
            for (id, path) in association.paths() {
                assert_eq!(id.local.is_ipv4(), id.remote.is_ipv4(), "{id:?}");
                for direction in [Direction::Forward, Direction::Return] {
                    if let Some(slot) = path.flow(direction) {
                        assert!(slots.insert(slot), "slot {slot} is on two paths");
                        assert!(
                            self.engine().flow(slot).is_some(),
                            "slot {slot} of a path is no flow"
                        );
                    }
                }
            }
        }
    }

    /// Nothing is seen any more, for long: all that was opened closes.
    pub(crate) fn end(&mut self) {
        for _ in 0..20 {
            self.advance(Duration::from_millis(1));
            self.now = self.now + Duration::from_secs(40);
        }
        self.sweep();
        assert_eq!(self.engine().associations().count(), 0, "associations are left");
        assert_eq!(left_open(&self.events), 0);
        assert_eq!(self.engine().incidents().count(), 0, "incidents are left");
    }

    /// All events so far.
    pub(crate) fn events(&self) -> &[Event] {
        &self.events
    }
}

fn nic(path: u8) -> u32 {
    11 + u32::from(path)
}

/// What an event says in words goes to terminals, and some of the words are the network's.
fn check_text(event: &Event) {
    let words = match &event.kind {
        EventKind::AssociationError { causes, .. } => causes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        EventKind::HandshakeUnfinished(handshake) => handshake.to_string(),
        EventKind::AssociationDown { end } => end.text.clone(),
        EventKind::PathStateChanged { reason, .. } => reason.to_string(),
        EventKind::Finding { finding, .. } => finding.text.clone(),
        _ => return,
    };
    // Cc, and what reorders text (Unicode's bidirectional controls).
    let controls = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!words.chars().any(controls), "{words:?}");
    assert!(words.len() < 8_192, "{} bytes of words", words.len());
}
