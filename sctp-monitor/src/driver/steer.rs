//! What the operator asks of steering, done by the session in a turn of its own.

use std::{mem::take, process};

use sctp_monitor_engine::model::{Schema, Timestamp};
use tokio::sync::oneshot;
use tracing::warn;

use super::Driver;
use crate::{
    clock::Clock,
    control::{SteerAnswer, SteerRequest},
    ways::{Found, Ways},
};

impl Driver {
    /// Begins to look at the ways that the session wants to know. When it knows all, the operator's requests are done that waited
    /// for it.
    pub(super) fn look_at_ways(&mut self, ways: &mut Ways) -> anyhow::Result<()> {
        if ways.is_looking() {
            return Ok(());
        }
        let questions = self.session.take_way_questions(Clock::now()?);
        if !questions.is_empty() {
            let nics = self.attachments.values();
            let nics = nics.map(|nic| (nic.if_index(), nic.interface().to_owned()));
            ways.ask(questions, nics.collect());
            return Ok(());
        }
        for (request, to) in take(&mut self.held) {
            self.do_and_answer(request, to)?;
        }
        Ok(())
    }

    /// Ways were looked at.
    pub(super) fn on_ways(&mut self, found: &Found, now: Timestamp) {
        self.session
            .handle_ways(&found.ways, &found.filters, found.read_at, now);
        self.tell();
    }

    /// What may move packets, or says whether it would, is answered when it is known which ways there are.
    pub(super) fn on_steer_request(
        &mut self,
        request: SteerRequest,
        to: oneshot::Sender<SteerAnswer>,
    ) -> anyhow::Result<()> {
        match request {
            SteerRequest::Explain { association } | SteerRequest::Add { association, .. } => {
                self.session.ask_ways(association, Clock::now()?);
                self.held.push((request, to));
                Ok(())
            }
            _ => self.do_and_answer(request, to),
        }
    }

    fn do_and_answer(
        &mut self,
        request: SteerRequest,
        to: oneshot::Sender<SteerAnswer>,
    ) -> anyhow::Result<()> {
        let answer = self.steer(request, Clock::now()?)?;
        // Who has left needs no answer.
        let _ = to.send(answer);
        Ok(())
    }

    /// Does what the operator asks for, logs it, and says how things are then.
    fn steer(&mut self, request: SteerRequest, now: Timestamp) -> anyhow::Result<SteerAnswer> {
        let mut paths = Vec::new();
        let mut refused = None;
        match request {
            SteerRequest::List => {}
            SteerRequest::Explain { association } => {
                match self.session.engine().steering_prospects(association, now) {
                    Some(known) => paths = known,
                    None => {
                        refused = Some(format!(
                            "there is no association {association} that is established"
                        ));
                    }
                }
            }
            SteerRequest::Add { association, path } => {
                warn!("the operator wants packets of path {path} of association {association} moved");
                let done = self.session.handle_steering(association, path, true, now);
                refused = done.err().map(|obstacle| obstacle.to_string());
            }
            SteerRequest::Remove { association, path } => {
                warn!("the operator wants no packets of path {path} of association {association} moved");
                let done = self.session.handle_steering(association, path, false, now);
                refused = done.err().map(|obstacle| obstacle.to_string());
            }
            SteerRequest::Pause => {
                warn!("the operator pauses steering");
                self.session.handle_steering_pause(true, now);
            }
            SteerRequest::Resume => {
                warn!("the operator resumes steering");
                self.session.handle_steering_pause(false, now);
            }
        }
        // What was decided is in force before the answer says so.
        self.turn()?;
        let engine = self.session.engine();
        let steered = engine.steered_paths().into_iter();
        Ok(SteerAnswer {
            schema: Schema,
            agent: process::id(),
            mode: self.watch.steering,
            paused: engine.is_steering_paused(),
            steered: steered.map(|path| path.dated(&self.clock)).collect(),
            paths: paths.into_iter().map(|path| path.dated(&self.clock)).collect(),
            refused,
        })
    }
}
