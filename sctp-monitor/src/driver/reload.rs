//! The configuration is read anew, on SIGHUP, while the watch goes on.

use std::mem::replace;

use anyhow::{Context as _, bail};
use sctp_monitor_engine::model::Timestamp;
use tracing::warn;

use super::Driver;
use crate::{
    kernel::Attachment,
    nic::NicChange,
    reload::{Change, INTERFACES, Reload},
    report::NoticeKind,
    service,
    wanted::Wanted,
};

impl Driver {
    /// The same, with a configuration that can be read anew.
    #[must_use]
    pub fn with_reload(self, reload: Option<Reload>) -> Self {
        Self { reload, ..self }
    }

    /// Reads it and does what follows. One that cannot be used changes nothing.
    pub(super) fn reload(&mut self, now: Timestamp) {
        let Some(reload) = &mut self.reload else { return };
        service::reloading();
        match reload.read() {
            Ok(change) => self.on_change(change, now),
            Err(error) => warn!("{error}; the configuration that was read before still holds"),
        }
        service::ready(&self.names());
    }

    fn on_change(&mut self, change: Change, now: Timestamp) {
        let Change {
            detector,
            interfaces,
            mut changed,
            after_restart,
        } = change;
        self.session.handle_config(detector, now);
        if let Some(interfaces) = interfaces {
            match self.watch_others(&interfaces, now) {
                Ok(()) => {
                    changed.push(INTERFACES.to_owned());
                    if let Some(reload) = &mut self.reload {
                        reload.on_watched(interfaces);
                    }
                }
                Err(error) => warn!("{INTERFACES}: {error:#}; the same NICs are watched as before"),
            }
        }
        let changed = match &changed[..] {
            [] => "nothing changes".to_owned(),
            changed => format!("from now on holds what it says of {}", changed.join(", ")),
        };
        self.log
            .say(&format!("the configuration was read anew; {changed}"));
        if !after_restart.is_empty() {
            let keys = after_restart.join(", ");
            warn!("the configuration was read anew; what it says of {keys} holds after a restart only");
        }
        self.tell();
    }

    /// Others are wanted: new ones are watched, those that nobody asks for any more are left, the rest is not touched.
    ///
    /// # Errors
    /// Where `run` would not begin; nothing has changed then.
    fn watch_others(&mut self, asked: &[String], now: Timestamp) -> anyhow::Result<()> {
        let wanted = Wanted::parse(asked).context("a pattern for NICs is none")?;
        let missing: Vec<_> = wanted
            .names
            .iter()
            .filter(|name| !self.is_there(name))
            .cloned()
            .collect();
        if self.watch.strict && !missing.is_empty() {
            bail!(
                "there is no interface {}, and --strict is in force",
                missing.join(", ")
            );
        }
        let before = replace(&mut self.wanted, wanted);
        // The new ones first: that one of them can be watched is seen by watching it.
        self.reconcile(now);
        let is_seen = |nic: &NicChange| {
            self.is_asked_for(nic)
                && (self.attachments.contains_key(&nic.if_index) || self.left_out.contains(&nic.name))
        };
        let asked_for_before = self
            .attachments
            .values()
            .any(|nic| self.wanted.names.iter().any(|name| name == nic.asked_for()));
        if !asked_for_before && !self.nics.values().any(is_seen) {
            self.wanted = before;
            self.drop_unwanted();
            bail!("none of {} can be watched", asked.join(", "));
        }
        self.drop_unwanted();
        let is_left = |nic: &&Attachment| !self.asks_for(nic.asked_for()) && !self.asks_for(nic.interface());
        let left = self.attachments.values().filter(is_left);
        for if_index in left.map(Attachment::if_index).collect::<Vec<_>>() {
            let Some(attachment) = self.attachments.remove(&if_index) else {
                continue;
            };
            let interface = attachment.interface().to_owned();
            let reason = "the configuration does not name it any more".to_owned();
            self.notice(NoticeKind::WatchEnded { interface, reason }, now);
            self.session.handle_left_out(if_index, now);
        }
        for name in missing {
            if !self.lost.has(&name) {
                self.lost.add(&[&name]);
                let reason = "there is no such interface; it is watched as soon as there is one".to_owned();
                self.not_watched(&name, reason, now);
            }
        }
        self.reconcile(now);
        Ok(())
    }

    /// Whether there is a NIC of this name, or one that was watched under it.
    fn is_there(&self, name: &str) -> bool {
        self.exists(name) || self.attachments.values().any(|nic| nic.asked_for() == name)
    }

    /// Nobody waits any more for those that are not asked for.
    fn drop_unwanted(&mut self) {
        let waited_for: Vec<_> = self.lost.all().map(|(name, _)| name.to_owned()).collect();
        for name in waited_for {
            if !self.asks_for(&name) {
                self.lost.remove(&name);
            }
        }
    }

    fn asks_for(&self, name: &str) -> bool {
        self.wanted.names.iter().any(|named| named == name) || self.wanted.matches(name)
    }

    /// The NICs that are watched.
    pub(super) fn names(&self) -> Vec<String> {
        self.watched()
            .into_iter()
            .map(|watched| watched.interface)
            .collect()
    }
}
