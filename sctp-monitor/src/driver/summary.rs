//! How things are: for those who look every second, for those who ask, and for the end.

use std::collections::HashSet;

use sctp_monitor_common::abi::Counters;
use sctp_monitor_engine::model::{Event, Snapshot};

use tokio::sync::oneshot;

use super::{Driver, gathering::Gathering};
use crate::{
    clock::Clock,
    control::Question,
    flows::KernelFlows,
    kernel::Attachment,
    report::{FlowTable, Interface, NotWatched, Summary, WriterStatus},
};

impl Driver {
    /// Keeps what is known of an association that has ended: the engine forgets it, the summary tells of it.
    pub(super) fn keep_ended(&mut self, event: &Event) {
        let kernel = &self.flows.kernel;
        let engine = self.session.engine();
        let view = event
            .association
            .and_then(|ended| engine.association_view(ended.id, |slot| kernel.record(slot)));
        if self.ended.len() == ENDED_KEPT {
            self.ended.pop_front();
        }
        self.ended.extend(view);
    }

    /// Answers a client, and does what it asks for.
    pub(super) fn answer(&mut self, question: Question) -> anyhow::Result<()> {
        match question {
            Question::Summary(to) => self.tell_summary(to),
            Question::Steer(request, to) => self.on_steer_request(request, to),
        }
    }

    /// Begins to tell a client how things are. The engine's own figures are new enough; only the end reads all records.
    fn tell_summary(&mut self, to: oneshot::Sender<Summary>) -> anyhow::Result<()> {
        let all = self.session.engine().associations();
        let ids = all.map(|association| association.reference().id).collect();
        self.gathering = Some((Gathering::of(ids), to));
        self.gather()
    }

    /// Goes on with it.
    pub(super) fn gather(&mut self) -> anyhow::Result<()> {
        let Some((mut gathering, to)) = self.gathering.take() else {
            return Ok(());
        };
        let engine = self.session.engine();
        let view = |id| Some(engine.association_view(id, |_| None)?.dated(&self.clock));
        let Some(mut associations) = gathering.step(view) else {
            self.gathering = Some((gathering, to));
            return Ok(());
        };
        let known: HashSet<_> = associations.iter().map(|known| known.reference.id).collect();
        let ended = self
            .ended
            .iter()
            .filter(|ended| !known.contains(&ended.reference.id));
        associations.extend(ended.map(|ended| ended.clone().dated(&self.clock)));
        let counters = self.flows.kernel.counters()?;
        let mut summary = self.summary(engine.overview(Clock::now()?), &counters, self.watched());
        summary.snapshot.associations = associations;
        // Who has left needs no answer.
        let _ = to.send(summary);
        Ok(())
    }

    fn refused(&self) -> Vec<NotWatched> {
        let all = self.lost.all();
        all.map(|(interface, reason)| NotWatched {
            interface: interface.to_owned(),
            reason: reason.to_owned(),
        })
        .collect()
    }

    pub(super) fn watched(&self) -> Vec<Interface> {
        let interface = |watched: &Attachment| Interface {
            interface: watched.interface().to_owned(),
            hook: watched.hook().to_string(),
        };
        self.attachments.values().map(interface).collect()
    }

    /// How things are, dated.
    pub(super) fn summary(
        &self,
        known: Snapshot,
        counters: &Counters,
        interfaces: Vec<Interface>,
    ) -> Summary {
        let KernelFlows { kernel, slots, .. } = &self.flows;
        let counted = counters.iter().filter(|(_, value)| *value > 0);
        let statuses = self.reports.statuses();
        Summary {
            snapshot: known.dated(&self.clock),
            since: Some(self.clock.date(self.began_at)),
            interfaces,
            not_watched: self.refused(),
            flows: FlowTable {
                slots: kernel.max_flows(),
                in_use: slots.in_use(),
                opened: slots.opened(),
            },
            associations_ended: self.associations_ended,
            counters: counted
                .map(|(counter, value)| (counter.name().to_owned(), value))
                .collect(),
            reports: statuses
                .map(|(name, status)| WriterStatus::new(name, status))
                .collect(),
            lag: self.lag.lag(),
            log_lines_lost: self.log.status().lost,
        }
    }
}

/// Associations that are kept after their end, for the summary: some kilobytes each.
const ENDED_KEPT: usize = 100;
