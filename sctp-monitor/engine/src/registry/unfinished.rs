//! Which handshakes that came to nothing are reported, and when.
//!
//! The first one between two addresses is reported at once; what follows is summed up, and reported once in [`QUIET`]. Anyone
//! can forge INITs, so of those that this host neither sent nor saw answered only a few are reported before the end.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{
    model::{Timestamp, UnfinishedHandshake},
    registry::errors::QUIET,
};

/// All that is known of them, by their addresses.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Unfinished {
    accounts: VecDeque<Account>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Account {
    /// What was reported last.
    reported: Option<(UnfinishedHandshake, Timestamp)>,
    /// What came since.
    fresh: Option<UnfinishedHandshake>,
    /// It may be forged.
    is_doubtful: bool,
}

impl Account {
    fn handshake(&self) -> Option<&UnfinishedHandshake> {
        self.fresh
            .as_ref()
            .or(self.reported.as_ref().map(|(known, _)| known))
    }

    fn is_quiet(&self, now: Timestamp) -> bool {
        self.reported
            .as_ref()
            .is_some_and(|(_, at)| now.since(*at) < QUIET)
    }

    fn report(&mut self, now: Timestamp) -> Option<UnfinishedHandshake> {
        let fresh = self.fresh.take()?;
        self.reported = Some((fresh.clone(), now));
        Some(fresh)
    }
}

impl Unfinished {
    /// One more. Gives what is to be reported now.
    pub(super) fn add(
        &mut self,
        handshake: UnfinishedHandshake,
        is_doubtful: bool,
        now: Timestamp,
    ) -> Option<UnfinishedHandshake> {
        let is_same = |account: &Account| {
            let known = account.handshake();
            known.is_some_and(|known| known.is_between_same(&handshake))
        };
        let index = match self.accounts.iter().position(is_same) {
            Some(index) => index,
            None if self.accounts.len() < MOST => {
                self.accounts.push_back(Account {
                    reported: None,
                    fresh: None,
                    is_doubtful,
                });
                self.accounts.len() - 1
            }
            None => return None,
        };
        let has_room = self.has_room(now);
        let account = self.accounts.get_mut(index)?;
        account.is_doubtful &= is_doubtful;
        match &mut account.fresh {
            Some(fresh) => fresh.merge(handshake),
            none => *none = Some(handshake),
        }
        let waits = account.is_quiet(now) || account.is_doubtful && !has_room;
        if waits { None } else { account.report(now) }
    }

    /// What is to be reported by now. Forgets those that are over.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<UnfinishedHandshake> {
        let mut due = Vec::new();
        for index in 0..self.accounts.len() {
            let has_room = self.has_room(now);
            let account = &mut self.accounts[index];
            if !account.is_quiet(now) && (!account.is_doubtful || has_room) {
                due.extend(account.report(now));
            }
        }
        self.accounts
            .retain(|account| account.fresh.is_some() || account.is_quiet(now));
        due
    }

    /// All that was not reported yet.
    pub(super) fn rest(&mut self, now: Timestamp) -> Vec<UnfinishedHandshake> {
        let accounts = self.accounts.iter_mut();
        accounts.filter_map(|account| account.report(now)).collect()
    }

    fn has_room(&self, now: Timestamp) -> bool {
        let lately = |account: &&Account| account.is_doubtful && account.is_quiet(now);
        self.accounts.iter().filter(lately).count() < MOST_DOUBTFUL
    }
}

/// Pairs of addresses and ports that are kept. A scan of more hosts and ports than that is a scan.
const MOST: usize = 1024;
/// Reports in [`QUIET`] of handshakes that may be forged: enough to see that there are some.
const MOST_DOUBTFUL: usize = 16;
