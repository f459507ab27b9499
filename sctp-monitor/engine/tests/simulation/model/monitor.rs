//! The monitor: tracker, flow records and engine, run as the agent runs them.

use std::time::Duration;

use sctp_monitor_common::{
    abi::Interface,
    track::{MAX_CHUNKS, Options, observe},
    wire::{Frame, LinkType, ParseOptions},
};
use sctp_monitor_engine::{
    Session,
    config::{Config, Vantage},
    model::{
        Broken, Event, EventKind, Evidence, IncidentView, Object, PathDown, PathId, PathState, Status,
        Timestamp,
    },
    session::Pace,
};

use super::{
    dice::Dice,
    packet::{Packet, Side},
    programs::Programs,
};

/// The tick of the programs' coarse clock (a jiffy at HZ=250).
const TICK: Duration = Duration::from_millis(4);
/// The agent's. The world says when it stands still: a stall that it would not notice is not simulated.
const PACE: Pace = Pace {
    stall: None,
    ..Pace::LIVE
};

/// Which packets the monitor sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capture {
    Both,
    SentOnly,
    ReceivedOnly,
    /// All, into a file that is read later.
    File,
}

/// A path changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Timestamp,
    pub(crate) path: PathId,
    pub(crate) to: PathState,
}

#[derive(Debug)]
pub(crate) struct Monitor {
    programs: Programs,
    session: Session,
    vantage: Vantage,
    capture: Capture,
    /// When the agent began: somewhere between two packets.
    began_at: Timestamp,
    now: Timestamp,
    changes: Vec<Change>,
    directions: Vec<(PathId, Broken)>,
    incidents: Vec<IncidentView>,
    frame: Vec<u8>,
}

impl Monitor {
    pub(crate) fn new(
        vantage: Vantage,
        capture: Capture,
        ring_loss: f64,
        now: Timestamp,
        mut dice: Dice,
    ) -> Self {
        let is_file = capture == Capture::File;
        let config = Config {
            vantage,
            may_lack_packets: is_file,
            ..Config::default()
        };
        let pace = if is_file { Pace::REPLAY } else { PACE };
        Self {
            began_at: now + dice.between(Duration::ZERO, PACE.sweep),
            programs: Programs::new(TICK, ring_loss, dice),
            session: Session::new(config, TICK, pace),
            vantage,
            capture,
            now,
            changes: Vec::new(),
            directions: Vec::new(),
            incidents: Vec::new(),
            frame: Vec::new(),
        }
    }

    pub(crate) fn vantage(&self) -> Vantage {
        self.vantage
    }

    /// The programs see a packet.
    pub(crate) fn handle_packet(&mut self, packet: &Packet, now: Timestamp) {
        let mut frame = std::mem::take(&mut self.frame);
        packet.write(&mut frame);
        self.handle_frame(packet.from, packet.path, &frame, now);
        self.frame = frame;
    }

    pub(crate) fn handle_frame(&mut self, from: Side, path: usize, frame: &[u8], now: Timestamp) {
        let nic = u32::try_from(path + 1).expect("a few paths");
        let unseen = match self.capture {
            Capture::Both | Capture::File => None,
            Capture::SentOnly => Some(Side::Remote),
            Capture::ReceivedOnly => Some(Side::Local),
        };
        if unseen == Some(from) {
            return;
        }
        let interface = match (self.vantage, from) {
            (Vantage::Endpoint, Side::Local) => Interface::egress(nic),
            (_, Side::Remote) => Interface::ingress(nic),
            // A gateway has a NIC on each side, and sees what arrives there.
            (Vantage::Gateway, Side::Local) => Interface::ingress(nic + 100),
        };
        let options = Options {
            link: LinkType::Ethernet,
            parse: ParseOptions::default(),
            max_chunks: MAX_CHUNKS,
        };
        self.now = now;
        self.programs.table.set_now(now.as_nanos());
        observe(&Frame(frame), interface, &options, &mut self.programs.table);
    }

    /// When the agent wakes up next, if nobody keeps it from it.
    pub(crate) fn poll_timeout(&self) -> Timestamp {
        let next = self.session.next_turn(&self.programs, self.now);
        next.map_or(self.began_at, |at| at.max(self.began_at))
    }

    /// The agent stood still until now, and its loop notices.
    pub(crate) fn handle_stall(&mut self, now: Timestamp) {
        self.session.handle_stall(now);
        self.handle_timeout(now);
    }

    /// What the agent's loop does when it wakes up.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        self.now = now;
        let Ok(()) = self.session.turn(&mut self.programs, now);
        while let Some(event) = self.session.poll_event() {
            self.changes.extend(change(&event));
            self.directions.extend(direction(&event));
            self.incidents.extend(incident(&event));
        }
    }

    /// The state changes since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The incidents that were opened since the last call.
    pub(crate) fn take_incidents(&mut self) -> Vec<IncidentView> {
        std::mem::take(&mut self.incidents)
    }

    /// What was said of the directions in which paths are broken since the last call.
    pub(crate) fn take_directions(&mut self) -> Vec<(PathId, Broken)> {
        std::mem::take(&mut self.directions)
    }
}

fn incident(event: &Event) -> Option<IncidentView> {
    match &event.kind {
        EventKind::Incident {
            status: Status::Opened,
            incident,
        } => Some(incident.clone()),
        _ => None,
    }
}

fn direction(event: &Event) -> Option<(PathId, Broken)> {
    let EventKind::Finding { finding, .. } = &event.kind else {
        return None;
    };
    match (finding.object, &finding.evidence) {
        (Object::Path(path), Evidence::PathDown(PathDown { broken, .. })) => Some((path, *broken)),
        _ => None,
    }
}

fn change(event: &Event) -> Option<Change> {
    match event.kind {
        EventKind::PathStateChanged { path, to, .. } => Some(Change {
            at: event.time,
            path,
            to,
        }),
        _ => None,
    }
}
