//! The NICs that are watched: they lose their link, go away, come back, and are watched again.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use nix::net::if_::if_nametoindex;
use sctp_monitor_engine::{
    NicState,
    model::{Short, Timestamp},
};
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
        let matching = known
            .values()
            .filter(|nic| nic.ethernet && self.wanted.matches(&nic.name));
        let mut interfaces: Vec<String> = Vec::new();
        for name in self.wanted.names.iter().chain(matching.map(|nic| &nic.name)) {
            if !interfaces.contains(name) {
                interfaces.push(name.clone());
            }
        }
        if interfaces.is_empty() {
            bail!(
                "there is no Ethernet interface like {} in this network namespace (`ip link` lists the interfaces)",
                self.wanted.patterns().join(", ")
            );
        }
        let twice = self.seen_twice(&interfaces, known);
        let mut first_error = None;
        for interface in &interfaces {
            if let Some((_, reason)) = twice.iter().find(|(name, _)| name == interface) {
                self.left_out.insert(interface.clone());
                self.not_watched(interface, reason.clone(), Clock::now()?);
                continue;
            }
            let nic = known.values().find(|nic| nic.name == *interface);
            let Err(error) = self.attach(interface, nic) else {
                continue;
            };
            if self.watch.strict {
                return Err(error);
            }
            self.lost.add(&[interface]);
            let now = Clock::now()?;
            match nic {
                Some(_) => self.on_refused(interface, &error, now),
                None => self.not_watched(
                    interface,
                    format!("{error:#}; it is watched as soon as there is one"),
                    now,
                ),
            }
            first_error.get_or_insert(error);
        }
        match first_error {
            Some(error) if self.attachments.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn not_watched(&mut self, interface: &str, reason: String, now: Timestamp) {
        let interface = interface.to_owned();
        self.notice(NoticeKind::NotWatched { interface, reason }, now);
    }

    /// Those of the NICs whose packets are seen on another one of them, and why that one is watched.
    fn seen_twice(&self, interfaces: &[String], known: &BTreeMap<u32, NicChange>) -> Vec<(String, String)> {
        let by_index = |index: Option<u32>| known.get(&index?);
        let layers: Vec<_> = known
            .values()
            .filter(|nic| interfaces.contains(&nic.name))
            .map(|nic| Layer {
                name: &nic.name,
                kind: nic.kind.as_deref(),
                master: by_index(nic.ties.master)
                    .map(|master| (master.name.as_str(), master.kind.as_deref())),
                lower: by_index(nic.ties.lower).map(|lower| lower.name.as_str()),
            })
            .collect();
        let purpose = Purpose {
            forwarded: !self.watch.egress,
            moved: self.watch.steers,
        };
        let left_out = layers::left_out(&layers, purpose).into_iter();
        left_out
            .map(|left_out| (left_out.name.to_owned(), left_out.to_string()))
            .collect()
    }

    /// Attaches to what is wanted and not watched, and leaves what is seen on others, as the NICs are now.
    pub(super) fn reconcile(&mut self, now: Timestamp) {
        let wanted: Vec<_> = self
            .nics
            .values()
            .filter(|nic| self.is_wanted(nic))
            .cloned()
            .collect();
        let twice = self.seen_on_others(&wanted);
        for nic in &wanted {
            let is_covered = twice.iter().any(|(name, _)| *name == nic.name);
            let is_watched = self.attachments.contains_key(&nic.if_index);
            if !is_covered && !is_watched && !self.lost.is_refused(&nic.name) {
                if !self.lost.has(&nic.name) {
                    self.lost.add(&[&nic.name]);
                }
                self.try_again(&nic.name, now);
            }
        }
        // What was refused just now sees nothing for others.
        let twice = self.seen_on_others(&wanted);
        for (name, reason) in &twice {
            let covered = wanted.iter().find(|nic| nic.name == *name);
            let attached = covered.and_then(|nic| self.attachments.remove(&nic.if_index));
            if attached.is_some() {
                let (interface, reason) = (name.clone(), reason.clone());
                self.notice(NoticeKind::WatchEnded { interface, reason }, now);
            } else if !self.left_out.contains(name) {
                self.not_watched(name, reason.clone(), now);
            }
        }
        self.left_out = twice.into_iter().map(|(name, _)| name).collect();
    }

    /// Those of them whose packets are seen on another one that can be watched.
    fn seen_on_others(&self, wanted: &[NicChange]) -> Vec<(String, String)> {
        let usable = wanted.iter().filter(|nic| !self.lost.is_refused(&nic.name));
        let names: Vec<_> = usable.map(|nic| nic.name.clone()).collect();
        self.seen_twice(&names, &self.nics)
    }

    fn is_wanted(&self, nic: &NicChange) -> bool {
        self.attachments.contains_key(&nic.if_index) || self.is_asked_for(nic) || self.lost.has(&nic.name)
    }

    fn is_asked_for(&self, nic: &NicChange) -> bool {
        self.wanted.names.contains(&nic.name) || nic.ethernet && self.wanted.matches(&nic.name)
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
                && if_nametoindex(attachment.interface()).is_ok_and(|index| index == *if_index)
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
        let interface = attachment.interface().to_owned();
        let lately = self.robbed_at.entry(if_index).or_default();
        lately.retain(|at| now.since(*at) < LATELY);
        lately.push(now);
        let more = u32::try_from(lately.len().saturating_sub(HOOKS)).unwrap_or(u32::MAX);
        // Whoever goes on doing it is not fought.
        let pause = 1_u64
            .checked_shl(more.saturating_sub(1))
            .map_or(LONGEST_PAUSE, Duration::from_secs);
        let pause = if more == 0 {
            Duration::ZERO
        } else {
            pause.min(LONGEST_PAUSE)
        };
        let when = if more == 0 {
            "now".to_owned()
        } else {
            format!("in {}", Short(pause))
        };
        let reason = format!(
            "somebody else has taken {missing} off its hook (`bpftool link` and `bpftool net` show who is there); it is tried to put \
             it back {when}, and until then nothing is concluded from packets that are not seen"
        );
        let ended = interface.clone();
        self.notice(
            NoticeKind::WatchEnded {
                interface: ended,
                reason,
            },
            now,
        );
        let asked_for = attachment.asked_for().to_owned();
        self.lost.add(&[&asked_for, &interface]);
        self.hold(&interface, now);
        if more > 0 {
            self.lost.postpone(
                &interface,
                "somebody else takes it off again and again",
                now + pause,
            );
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
        let names = [
            attachment.asked_for().to_owned(),
            attachment.interface().to_owned(),
        ];
        self.attachments.insert(if_index, attachment);
        self.session.handle_watch(if_index, true, now);
        for name in names {
            for before in self.indices_before.remove(&name).unwrap_or_default() {
                self.session.handle_watch(before, true, now);
            }
        }
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
        let is_as_before = |nic: &NicChange| nic.name == change.name && nic.ties == change.ties;
        let is_new = !before.as_ref().is_some_and(is_as_before);
        self.follow_name(change, now);
        if is_watched && is_gone {
            self.on_gone(change, now);
        } else if is_gone {
            self.on_gone_unwatched(&change.name, now);
        }
        if is_new || is_gone {
            self.reconcile(now);
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
        // One that only a pattern has is found by it again.
        if !self.wanted.matches(asked_for) {
            self.lost.add(&[asked_for, &change.name]);
        }
        if self.indices_before.len() >= MOST_GONE {
            self.indices_before.retain(|name, _| self.lost.has(name));
        }
        let before = self.indices_before.entry(asked_for.to_owned()).or_default();
        before.push(change.if_index);
        self.robbed_at.remove(&change.if_index);
        let reason = "the interface is gone; it is watched again if it comes back".to_owned();
        let interface = change.name.clone();
        self.notice(NoticeKind::WatchEnded { interface, reason }, now);
    }

    /// One that could not be watched is gone, and waited for if it was named.
    fn on_gone_unwatched(&mut self, name: &str, now: Timestamp) {
        let Some(asked_for) = self.lost.first_name(name).map(str::to_owned) else {
            return;
        };
        // What does not exist hides nothing.
        let before = self.indices_before.remove(&asked_for).unwrap_or_default();
        for index in &before {
            self.session.handle_watch(*index, true, now);
        }
        self.lost.remove(name);
        if self.wanted.names.contains(&asked_for) {
            self.lost.add(&[&asked_for, name]);
            self.indices_before.insert(asked_for, before);
        }
    }

    /// NICs that came back and could not be watched then.
    pub(super) fn try_lost_nics(&mut self, now: Timestamp) {
        for names in self.lost.due(now) {
            let is_free = |name: &&String| self.exists(name) && !self.left_out.contains(*name);
            if let Some(name) = names.iter().find(is_free) {
                self.try_again(name, now);
            }
        }
    }

    pub(super) fn exists(&self, interface: &str) -> bool {
        self.nics.values().any(|nic| nic.name == interface)
    }

    /// A NIC that may go away at any time can be refused at first, and accepted later.
    fn try_again(&mut self, interface: &str, now: Timestamp) {
        let known = self.nics.values().find(|nic| nic.name == interface).cloned();
        if known
            .as_ref()
            .is_some_and(|nic| self.attachments.contains_key(&nic.if_index))
        {
            return self.lost.remove(interface);
        }
        match self.attach(interface, known.as_ref()) {
            Ok(()) => self.lost.remove(interface),
            Err(error) => self.on_refused(interface, &error, now),
        }
    }

    /// It is there and cannot be watched: what passes it is not seen, be it of flows of the NIC that had its name before.
    /// What an agent before this one knew may cross NICs that are gone, or not watched by this one: it is judged by nothing that is
    /// not seen.
    pub(super) fn hold_unwatched(&mut self, now: Timestamp) {
        for if_index in self.session.interfaces() {
            if !self.nics.contains_key(&if_index) {
                let name = format!("number {if_index}");
                self.session.handle_nic(if_index, &name, NicState::Gone, now);
            } else if !self.attachments.contains_key(&if_index) {
                self.session.handle_watch(if_index, false, now);
            }
        }
        self.tell();
    }

    fn hold(&mut self, interface: &str, now: Timestamp) {
        let name = self.lost.first_name(interface).unwrap_or(interface).to_owned();
        let index = self
            .nics
            .values()
            .find(|nic| nic.name == interface)
            .map(|nic| nic.if_index);
        let before = self.indices_before.entry(name).or_default();
        before.extend(index);
        before.sort_unstable();
        before.dedup();
        for index in before.clone() {
            self.session.handle_watch(index, false, now);
        }
    }

    fn on_refused(&mut self, interface: &str, error: &anyhow::Error, now: Timestamp) {
        self.hold(interface, now);
        let error = format!("{error:#}");
        let reason = format!("it is there, but {error}; this is tried again, at least once a minute");
        if self.lost.on_refused(interface, error, now) {
            self.not_watched(interface, reason, now);
        }
    }
}

/// Programs that were taken off more often in that time than there are of them are put back after pauses that grow.
const LATELY: Duration = Duration::from_secs(600);
const HOOKS: usize = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Names of NICs that went away and are remembered, of those that only a pattern has.
const MOST_GONE: usize = 256;
