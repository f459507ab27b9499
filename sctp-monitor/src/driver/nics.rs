//! The NICs that are watched: they lose their link, go away, come back, and are watched again.

use std::collections::BTreeMap;

use sctp_monitor_engine::{NicState, model::Timestamp};
use tracing::debug;

use super::Driver;
use crate::{
    clock::Clock,
    nic::{NicChange, NicNews},
    report::NoticeKind,
};

impl Driver {
    /// Attaches to a NIC and says how.
    pub(super) fn attach(&mut self, interface: &str) -> anyhow::Result<()> {
        let mut attachment = self
            .flows
            .kernel
            .attach(interface, self.watch.hook, self.watch.egress)?;
        if self.watch.steers {
            self.flows.kernel.attach_steering(&mut attachment)?;
        }
        let now = Clock::now()?;
        let watching = NoticeKind::WatchStarted {
            interface: attachment.interface().to_owned(),
            hook: attachment.hook().to_string(),
            reason: attachment.why().to_owned(),
            egress: attachment.sees_egress(),
        };
        self.notice(watching, now);
        self.attachments.insert(attachment.if_index(), attachment);
        Ok(())
    }

    /// Takes what the kernel told of NICs.
    pub(super) fn on_nics(&mut self, news: NicNews, now: Timestamp) {
        match news {
            NicNews::Change(change) => self.on_nic(&change, now),
            NicNews::All(all) => self.on_all_nics(all, now),
        }
        self.tell();
    }

    /// Those that are not among all NICs went away unseen.
    pub(super) fn on_all_nics(&mut self, all: BTreeMap<u32, NicChange>, now: Timestamp) {
        let known = self.nics.values().filter(|nic| !all.contains_key(&nic.if_index));
        let gone: Vec<_> = known.cloned().collect();
        for nic in gone {
            let state = NicState::Gone;
            self.on_nic(&NicChange { state, ..nic }, now);
        }
        for nic in all.into_values() {
            self.on_nic(&nic, now);
        }
    }

    fn on_nic(&mut self, change: &NicChange, now: Timestamp) {
        debug!(interface = change.name, state = ?change.state, "interface");
        self.session
            .handle_nic(change.if_index, &change.name, change.state, now);
        if let Some(mtu) = change.mtu {
            self.session.handle_mtu(change.if_index, mtu);
        }
        self.session.handle_ties(change.if_index, change.ties);
        let is_gone = change.state == NicState::Gone;
        let before = if is_gone {
            self.nics.remove(&change.if_index)
        } else {
            self.nics.insert(change.if_index, change.clone())
        };
        let is_watched = self.attachments.contains_key(&change.if_index);
        // The kernel tells of many things besides; one that has a link from the start is no news.
        let state_before = before.as_ref().map_or(NicState::Up, |nic| nic.state);
        if is_watched && state_before != change.state {
            let interface = change.name.clone();
            let state = change.state;
            self.notice(NoticeKind::InterfaceStateChanged { interface, state }, now);
        }
        let is_new = before.is_none_or(|nic| nic.name != change.name);
        if is_watched && is_gone {
            self.on_gone(change, now);
        } else if !is_watched && !is_gone && is_new && self.lost.has(&change.name) {
            self.try_again(&change.name, now);
        }
    }

    /// A NIC that vanishes ends its own watch only.
    fn on_gone(&mut self, change: &NicChange, now: Timestamp) {
        self.attachments.remove(&change.if_index);
        self.lost.add(&change.name);
        let reason = "the interface is gone; it is watched again if it comes back".to_owned();
        let interface = change.name.clone();
        self.notice(NoticeKind::WatchEnded { interface, reason }, now);
        // What was told of its end may be late.
        if self.exists(&change.name) {
            self.try_again(&change.name, now);
        }
    }

    /// NICs that came back and could not be watched then.
    pub(super) fn try_lost_nics(&mut self, now: Timestamp) {
        for name in self.lost.due(now) {
            if self.exists(&name) {
                self.try_again(&name, now);
            }
        }
    }

    fn exists(&self, interface: &str) -> bool {
        self.nics.values().any(|nic| nic.name == interface)
    }

    /// A NIC that may go away at any time can be refused at first, and accepted later.
    fn try_again(&mut self, interface: &str, now: Timestamp) {
        let Err(error) = self.attach(interface) else {
            return self.lost.remove(interface);
        };
        let error = format!("{error:#}");
        let reason = format!("it came back, but {error}; this is tried again, at least once a minute");
        if self.lost.on_refused(interface, error, now) {
            let interface = interface.to_owned();
            self.notice(NoticeKind::WatchEnded { interface, reason }, now);
        }
    }
}
