//! Two endpoints, the network between them, and what a capture on the way sees.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Exchange, Sent,
    endpoint::{Chunk, Endpoint, Outgoing},
    plan::{Ending, Plan, Side},
};
use crate::{
    choices::{Choices as _, Random},
    frames,
};

/// What is to happen at some time.
#[derive(Debug)]
enum Happening {
    Arrives(Side, usize, Vec<Chunk>),
    Speaks(Side),
    Beats(Side, usize),
    /// Unless a SACK was sent meanwhile.
    AcknowledgesLate(Side, u64),
    /// Unless the time-out was restarted meanwhile.
    TimesOut(Side, u64),
}

/// An association as it happens.
pub(super) struct Run<'a> {
    plan: &'a Plan,
    random: Random,
    /// The next happenings, by time and the order in which they were planned.
    agenda: BTreeMap<(u64, u64), Happening>,
    planned: u64,
    now: u64,
    endpoints: [Endpoint; 2],
    /// What goes to A, what goes to B.
    tags: [u32; 2],
    /// Before the first of A, and of B.
    first_tsns: [u32; 2],
    /// When the last packet arrived, by path and receiver.
    arrived: Vec<[u64; 2]>,
    /// When DATA was last sent, by path and sender.
    carried: Vec<[Option<u64>; 2]>,
    established: u64,
    packets: Vec<Sent>,
}

impl<'a> Run<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let mut random = Random::from_seed(plan.seed);
        let tags = [random.u32() | 1, random.u32() | 1];
        // Some wrap round soon.
        let first_tsns = [random.u32(), u32::MAX - random.below(100)];
        Self {
            plan,
            random,
            agenda: BTreeMap::new(),
            planned: 0,
            now: 0,
            endpoints: [(); 2].map(|()| Endpoint::new(plan.paths)),
            tags,
            first_tsns,
            arrived: vec![[0; 2]; plan.paths],
            carried: vec![[None; 2]; plan.paths],
            established: 0,
            packets: Vec::new(),
        }
    }

    pub(super) fn run(mut self) -> Exchange {
        self.handshake();
        for side in self.plan.senders.clone() {
            self.at(Duration::from_millis(1), Happening::Speaks(side));
        }
        if let Some(every) = self.plan.heartbeat_every {
            for path in 0..self.plan.paths {
                for side in [Side::A, Side::B] {
                    // Both confirm their paths at once (RFC 9260 section 5.4).
                    let first = Duration::from_millis(2) + every.mul_f64(self.chance() / 50.0);
                    self.at(first, Happening::Beats(side, path));
                }
            }
        }
        let end = self.established + nanos(self.plan.lasts);
        while let Some(((at, _), happening)) = self.agenda.pop_first() {
            // What is under way arrives; nothing new begins.
            let begins = matches!(happening, Happening::Speaks(_) | Happening::Beats(..));
            if at > end && begins {
                continue;
            }
            // A path that is broken for good.
            if at > end + 30_000_000_000 {
                break;
            }
            self.now = at;
            self.happen(happening);
        }
        self.now = self.now.max(end);
        self.end();
        Exchange::new(self.plan, self.packets)
    }

    fn handshake(&mut self) {
        let from = self.plan.initiator;
        let offset = |side: Side| self.first_tsns[side as usize].wrapping_add(1);
        let numbered = |mut init: Vec<u8>, side| {
            init[16..20].copy_from_slice(&u32::to_be_bytes(offset(side)));
            init
        };
        let init = |side: Side, make: fn(u32, &[&str]) -> Vec<u8>| {
            let addresses: Vec<_> = (0..self.plan.paths)
                .map(|path| super::address(side, path, self.plan.v6))
                .collect();
            // Single-homed endpoints list none.
            let listed = if self.plan.paths > 1 { &addresses[..] } else { &[] };
            let listed: Vec<_> = listed.iter().map(String::as_str).collect();
            numbered(make(self.tags[side as usize], &listed), side)
        };
        let legs = [
            init(from, frames::init),
            init(from.other(), frames::init_ack),
            frames::cookie_echo(),
            frames::cookie_ack(),
        ];
        let mut leg = 0;
        while leg < 4 {
            let side = if leg % 2 == 0 { from } else { from.other() };
            let tag = if leg == 0 {
                0
            } else {
                self.tags[side.other() as usize]
            };
            let arrives = self.transmit(side, 0, tag, &[Chunk::Made(legs[leg].clone())], true);
            match arrives {
                Some(at) => {
                    self.now = at + 20_000;
                    leg += 1;
                }
                // INIT or COOKIE ECHO is sent again.
                None => {
                    self.now += nanos(self.plan.rto);
                    leg -= leg % 2;
                }
            }
        }
        self.established = self.now;
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives(side, path, chunks) => {
                let endpoint = &mut self.endpoints[side as usize];
                let time_out = endpoint.time_out;
                let (answers, sack_later) = endpoint.receive(path, &chunks);
                let (restarted, sacks) = (endpoint.time_out != time_out, endpoint.sacks);
                for answer in answers {
                    self.send(side, answer);
                }
                if restarted {
                    self.await_answer(side);
                }
                if sack_later {
                    self.at(self.plan.sack_delay, Happening::AcknowledgesLate(side, sacks));
                }
            }
            Happening::Speaks(side) => {
                let [least, most] = self.plan.sizes;
                let payload = least + self.random.below((most - least) as u32 + 1) as usize;
                let endpoint = &mut self.endpoints[side as usize];
                let was_idle = endpoint.is_idle();
                let message = endpoint.send_message(payload);
                self.send(side, message);
                if was_idle {
                    self.await_answer(side);
                }
                let pause = self.plan.message_every.mul_f64(0.3 + 1.4 * self.chance());
                self.at(pause, Happening::Speaks(side));
            }
            Happening::Beats(side, path) => {
                let every = self.plan.heartbeat_every.unwrap_or_default();
                let carried = self.carried[path][side as usize];
                if carried.is_none_or(|at| self.now - at > nanos(every)) {
                    let nonce = self.random.u64();
                    let heartbeat = self.endpoints[side as usize].send_heartbeat(path, nonce);
                    self.send(side, heartbeat);
                }
                let pause = every.mul_f64(0.9 + 0.2 * self.chance());
                self.at(pause, Happening::Beats(side, path));
            }
            Happening::AcknowledgesLate(side, sacks) => {
                let endpoint = &mut self.endpoints[side as usize];
                if endpoint.sacks == sacks
                    && let Some(sack) = endpoint.send_delayed_sack()
                {
                    self.send(side, sack);
                }
            }
            Happening::TimesOut(side, time_out) => {
                let endpoint = &mut self.endpoints[side as usize];
                if endpoint.time_out == time_out
                    && let Some(again) = endpoint.on_time_out()
                {
                    self.send(side, again);
                    self.await_answer(side);
                }
            }
        }
    }

    /// The time-out runs from now on.
    fn await_answer(&mut self, side: Side) {
        let endpoint = &self.endpoints[side as usize];
        let (back_off, time_out) = (endpoint.back_off.min(6), endpoint.time_out);
        if !endpoint.is_idle() {
            self.at(
                self.plan.rto * (1 << back_off),
                Happening::TimesOut(side, time_out),
            );
        }
    }

    fn send(&mut self, side: Side, (path, chunks): Outgoing) {
        if chunks.iter().any(|chunk| matches!(chunk, Chunk::Data { .. })) {
            self.carried[path][side as usize] = Some(self.now);
        }
        let tag = self.tags[side.other() as usize];
        if let Some(at) = self.transmit(side, path, tag, &chunks, true) {
            self.plan_at(at, Happening::Arrives(side.other(), path, chunks));
        }
    }

    /// A packet on its way: when it arrives, if it does.
    fn transmit(
        &mut self,
        from: Side,
        path: usize,
        tag: u32,
        chunks: &[Chunk],
        may_be_lost: bool,
    ) -> Option<u64> {
        let to = from.other();
        let tsns = [from, to].map(|side| self.first_tsns[side as usize]);
        let chunks: Vec<_> = chunks.iter().map(|chunk| chunk.bytes(tsns)).collect();
        let delay = nanos(self.plan.one_way) + (nanos(self.plan.jitter) as f64 * self.chance()) as u64;
        // In order.
        let arrives = (self.now + delay).max(self.arrived[path][to as usize] + 1_000);
        self.arrived[path][to as usize] = arrives;
        let length = 32 + chunks.iter().map(Vec::len).sum::<usize>();
        let lost_at = self.loses(path, to, length).filter(|_| may_be_lost);
        // As far from the sender as the capture is, of the way.
        let way_from = |place: f64| match from {
            Side::A => place,
            Side::B => 1.0 - place,
        };
        let captured_at = way_from(self.plan.captured_at);
        // What is lost on the first part of the way is not captured.
        if lost_at.is_none_or(|place| way_from(place) >= captured_at) {
            self.packets.push(Sent {
                at_ns: super::BEGAN_NS + self.now + ((arrives - self.now) as f64 * captured_at) as u64,
                from,
                path,
                tag,
                chunks,
            });
        }
        lost_at.is_none().then_some(arrives)
    }

    /// Where on the way a packet is lost, if it is: at A (0) to at B (1).
    fn loses(&mut self, path: usize, to: Side, length: usize) -> Option<f64> {
        let since = Duration::from_nanos(self.now - self.established);
        let faults = self.plan.faults.iter().filter(|fault| {
            fault.path == path
                && fault.towards.is_none_or(|side| side == to)
                && length > fault.larger_than
                && (fault.from..fault.to).contains(&since)
        });
        for fault in faults.filter(|_| self.established > 0) {
            if self.random.below(1_000) < fault.per_mille {
                return Some(fault.at);
            }
        }
        let by_chance = self.random.below(1_000) < self.plan.loss_per_mille;
        by_chance.then(|| self.chance())
    }

    fn end(&mut self) {
        let (by, legs) = match self.plan.ending {
            Ending::Open => return,
            Ending::Abort(by) => (by, vec![Chunk::Made(frames::abort(false))]),
            Ending::Shutdown(by) => {
                let cumulative = self.endpoints[by as usize].cumulative();
                let legs = [frames::shutdown_ack(), frames::shutdown_complete()].map(Chunk::Made);
                (
                    by,
                    [Chunk::Shutdown { cumulative }].into_iter().chain(legs).collect(),
                )
            }
        };
        let mut from = by;
        for leg in legs {
            let path = self.endpoints[from as usize].path();
            let tag = self.tags[from.other() as usize];
            if let Some(at) = self.transmit(from, path, tag, &[leg], false) {
                self.now = at + 20_000;
            }
            from = from.other();
        }
    }

    /// Plans something, so long from now on.
    fn at(&mut self, after: Duration, happening: Happening) {
        self.plan_at(self.now + nanos(after), happening);
    }

    fn plan_at(&mut self, at: u64, happening: Happening) {
        self.planned += 1;
        self.agenda.insert((at, self.planned), happening);
    }

    /// From 0 to 1.
    fn chance(&mut self) -> f64 {
        f64::from(self.random.u32()) / f64::from(u32::MAX)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
