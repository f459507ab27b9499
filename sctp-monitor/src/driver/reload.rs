//! The configuration is read anew, on SIGHUP, while the watch goes on.

use tracing::warn;

use sctp_monitor_engine::model::Timestamp;

use super::Driver;
use crate::{
    kernel::Attachment,
    reload::{Change, Reload},
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
            changed,
            after_restart,
        } = change;
        if changed.is_empty() {
            self.log.say("the configuration was read anew: nothing changes");
        } else {
            let changed = changed.join(", ");
            self.log.say(&format!(
                "the configuration was read anew; from now on holds what it says of {changed}"
            ));
        }
        if !after_restart.is_empty() {
            let keys = after_restart.join(", ");
            warn!("the configuration was read anew; what it says of {keys} holds after a restart only");
        }
        self.session.handle_config(detector, now);
        if let Some(interfaces) = interfaces {
            match Wanted::parse(&interfaces) {
                Ok(wanted) => self.watch_others(wanted, now),
                Err(error) => {
                    warn!("a pattern for NICs is none: {error}; the same NICs are watched as before");
                }
            }
        }
        self.tell();
    }

    /// Others are wanted: those that nobody asks for any more are left, new ones are watched, the rest is not touched.
    fn watch_others(&mut self, wanted: Wanted, now: Timestamp) {
        self.wanted = wanted;
        let is_left = |nic: &&Attachment| !self.asks_for(nic.asked_for()) && !self.asks_for(nic.interface());
        let left: Vec<_> = self
            .attachments
            .values()
            .filter(is_left)
            .map(Attachment::if_index)
            .collect();
        for if_index in left {
            let Some(attachment) = self.attachments.remove(&if_index) else {
                continue;
            };
            self.session.handle_watch(if_index, false, now);
            let interface = attachment.interface().to_owned();
            let reason = "the configuration does not name it any more".to_owned();
            self.notice(NoticeKind::WatchEnded { interface, reason }, now);
        }
        let waited_for: Vec<_> = self.lost.all().map(|(name, _)| name.to_owned()).collect();
        for name in waited_for {
            if !self.asks_for(&name) {
                self.lost.remove(&name);
            }
        }
        for name in self.wanted.names.clone() {
            if !self.exists(&name) && !self.lost.has(&name) {
                self.lost.add(&[&name]);
                let reason = "there is no such interface; it is watched as soon as there is one".to_owned();
                self.not_watched(&name, reason, now);
            }
        }
        self.reconcile(now);
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
