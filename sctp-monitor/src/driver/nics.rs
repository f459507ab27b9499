//! The NICs that are watched: they lose their link, go away, come back, and are watched again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use nix::net::if_::if_nametoindex;
use sctp_monitor_engine::{NicState, model::Timestamp};
use tracing::debug;

use super::Driver;
use crate::{
    clock::Clock,
    kernel::{Attachment, HookChoice, Missing},
    layers::{self, Layer, Purpose},
    nic::{NicChange, NicNews},
    report::NoticeKind,
};

impl Driver {
    /// Attaches to those of the NICs that are there.
    ///
    /// # Errors
    /// If one of them cannot be watched, or is missing and that is an error, or none is there.
    pub(super) fn begin(&mut self, known: &BTreeMap<u32, NicChange>) -> anyhow::Result<()> {
        let mut interfaces = self.wanted.names.clone();
        let matching = known
            .values()
            .filter(|nic| nic.ethernet && self.wanted.matches(&nic.name));
        interfaces.extend(matching.map(|nic| nic.name.clone()));
        let is_there = |name: &String| known.values().any(|nic| nic.name == *name);
        let some_are_there = interfaces.iter().any(is_there);
        if interfaces.is_empty() {
            bail!(
                "there is no Ethernet interface like {} in this network namespace (`ip link` lists the interfaces)",
                self.wanted.patterns().join(", ")
            );
        }
        let twice = self.seen_twice(&interfaces, known);
        for interface in &interfaces {
            let seen_on = twice.iter().find(|(name, _)| name == interface);
            if let Some((_, seen_on)) = seen_on {
                self.left_out.insert(interface.clone());
                self.not_watched(interface, layers::why(seen_on), Clock::now()?);
                continue;
            }
            if !is_there(interface) && some_are_there && !self.watch.strict {
                self.lost.add(&[interface]);
                let reason = "there is no interface of this name (`ip link` lists them); it is watched as soon as there is one";
                self.not_watched(interface, reason.to_owned(), Clock::now()?);
                continue;
            }
            self.attach(interface, known.values().find(|nic| nic.name == *interface))?;
        }
        Ok(())
    }

    fn not_watched(&mut self, interface: &str, reason: String, now: Timestamp) {
        let interface = interface.to_owned();
        self.notice(NoticeKind::NotWatched { interface, reason }, now);
    }

    /// Those of the NICs whose packets are seen on another one of them, and on which.
    fn seen_twice(&self, interfaces: &[String], known: &BTreeMap<u32, NicChange>) -> Vec<(String, String)> {
        let by_index = |index: Option<u32>| known.get(&index?);
        let layers: Vec<_> = known
            .values()
            .filter(|nic| interfaces.contains(&nic.name))
            .map(|nic| {
                let master = by_index(nic.ties.master);
                Layer {
                    name: &nic.name,
                    master: master.map(|master| master.name.as_str()),
                    is_port: master.is_some_and(|master| master.kind.as_deref() == Some("bridge")),
                    lower: by_index(nic.ties.lower).map(|lower| lower.name.as_str()),
                }
            })
            .collect();
        let purpose = Purpose {
            forwarded: !self.watch.egress,
            moved: self.watch.steers,
        };
        let left_out = layers::left_out(&layers, purpose).into_iter();
        left_out
            .map(|(name, seen_on)| (name.to_owned(), seen_on.to_owned()))
            .collect()
    }

    /// Looks whether somebody else has taken programs off, and attaches them again.
    ///
    /// # Errors
    /// If the kernel does not answer.
    pub(super) fn look_at_hooks(&mut self, now: Timestamp) -> anyhow::Result<()> {
        let mut robbed = Vec::new();
        for (if_index, attachment) in &self.attachments {
            let missing = attachment
                .missing()
                .context("the kernel tells nothing of its links")?;
            // One that is gone is told of by netlink.
            if missing.any()
                && self.nics.contains_key(if_index)
                && if_nametoindex(attachment.interface()).is_ok()
            {
                robbed.push((*if_index, missing));
            }
        }
        for (if_index, missing) in robbed {
            self.on_robbed(if_index, missing, now);
        }
        Ok(())
    }

    fn on_robbed(&mut self, if_index: u32, missing: Missing, now: Timestamp) {
        let Some(mut attachment) = self.attachments.remove(&if_index) else {
            return;
        };
        self.session.handle_watch(if_index, false, now);
        let interface = attachment.interface().to_owned();
        let reason = format!(
            "somebody else has taken {missing} off its hook (`bpftool link` and `bpftool net` show who is there); it is put back, \
             and until then nothing is concluded from packets that are not seen"
        );
        self.notice(
            NoticeKind::WatchEnded {
                interface: interface.clone(),
                reason,
            },
            now,
        );
        let names = [attachment.asked_for().to_owned(), interface.clone()];
        self.lost.add(&[&names[0], &names[1]]);
        let lately = self.robbed_at.entry(if_index).or_default();
        lately.retain(|at| now.since(*at) < LATELY);
        lately.push(now);
        if lately.len() > HOOKS {
            // Whoever does that may go on doing it.
            let error = "it was taken off again at once".to_owned();
            self.lost.on_refused(&interface, error, now);
            return;
        }
        let hook = self.hook_on(self.nics.get(&if_index));
        match self.flows.kernel.mend(&mut attachment, missing, hook) {
            Ok(()) => {
                self.lost.remove(&interface);
                self.on_attached(attachment, now);
            }
            Err(error) => self.on_refused(&interface, &error.into(), now),
        }
    }

    /// Attaches to a NIC and says how.
    fn attach(&mut self, interface: &str, known: Option<&NicChange>) -> anyhow::Result<()> {
        if known.is_some_and(|nic| !nic.ethernet) {
            bail!(
                "{interface} has no Ethernet header in front of its packets; only Ethernet NICs can be watched"
            );
        }
        let hook = self.hook_on(known);
        let mut attachment = self.flows.kernel.attach(interface, hook, self.watch.egress)?;
        if self.watch.steers {
            self.flows.kernel.attach_steering(&mut attachment)?;
        }
        if let Some(name) = self.lost.first_name(interface) {
            attachment.was_asked_for_by(name);
        }
        self.on_attached(attachment, Clock::now()?);
        Ok(())
    }

    fn hook_on(&self, nic: Option<&NicChange>) -> HookChoice {
        self.watch.hook.on(nic.and_then(|nic| nic.kind.as_deref()))
    }

    fn on_attached(&mut self, attachment: Attachment, now: Timestamp) {
        let watching = NoticeKind::WatchStarted {
            interface: attachment.interface().to_owned(),
            hook: attachment.hook().to_string(),
            reason: attachment.why().to_owned(),
            egress: attachment.sees_egress(),
        };
        self.notice(watching, now);
        let if_index = attachment.if_index();
        self.attachments.insert(if_index, attachment);
        self.session.handle_watch(if_index, true, now);
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
        self.follow_name(change, now);
        if is_watched && is_gone {
            self.on_gone(change, now);
        } else if !is_watched && !is_gone && is_new {
            self.on_new(change, now);
            if self.lost.has(&change.name) {
                self.try_again(&change.name, now);
            }
        }
    }

    /// One that appears is watched if it is like what was asked for, and its packets are not seen already.
    fn on_new(&mut self, change: &NicChange, now: Timestamp) {
        let name = &change.name;
        let is_wanted = change.ethernet && self.wanted.matches(name);
        if !is_wanted || self.lost.has(name) || self.left_out.contains(name) {
            return;
        }
        let watched = self
            .attachments
            .values()
            .map(|watched| watched.interface().to_owned());
        let beside: Vec<_> = watched.chain([name.clone()]).collect();
        match self.seen_twice(&beside, &self.nics).first() {
            None => self.lost.add(&[name]),
            Some((left_out, seen_on)) => {
                let other = if left_out == name { seen_on } else { left_out };
                let reason = layers::why(other);
                self.left_out.insert(name.clone());
                self.not_watched(name, reason, now);
            }
        }
    }

    /// A NIC is watched on under another name.
    fn follow_name(&mut self, change: &NicChange, now: Timestamp) {
        let Some(attachment) = self.attachments.get_mut(&change.if_index) else {
            return;
        };
        if attachment.interface() != change.name {
            let before = attachment.interface().to_owned();
            attachment.rename(&change.name);
            let interface = change.name.clone();
            self.notice(NoticeKind::InterfaceRenamed { interface, before }, now);
        }
    }

    /// A NIC that vanishes ends its own watch only.
    fn on_gone(&mut self, change: &NicChange, now: Timestamp) {
        let attachment = self.attachments.remove(&change.if_index);
        let asked_for = attachment.as_ref().map_or(&*change.name, Attachment::asked_for);
        self.lost.add(&[asked_for, &change.name]);
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
        let known = self.nics.values().find(|nic| nic.name == interface).cloned();
        match self.attach(interface, known.as_ref()) {
            Ok(()) => self.lost.remove(interface),
            Err(error) => self.on_refused(interface, &error, now),
        }
    }

    fn on_refused(&mut self, interface: &str, error: &anyhow::Error, now: Timestamp) {
        let error = format!("{error:#}");
        let reason = format!("it is there, but {error}; this is tried again, at least once a minute");
        if self.lost.on_refused(interface, error, now) {
            self.not_watched(interface, reason, now);
        }
    }
}

/// Programs that are taken off more often in that time than there are of them are put back after a pause only.
const LATELY: Duration = Duration::from_secs(10);
const HOOKS: usize = 3;
