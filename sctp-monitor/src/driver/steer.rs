//! What the operator asks of steering, done by the session in a turn of its own.

use std::process;

use sctp_monitor_engine::model::{Schema, Timestamp};
use tracing::warn;

use super::Driver;
use crate::control::{SteerAnswer, SteerRequest};

impl Driver {
    /// Does what the operator asks for, logs it, and says how things are then.
    pub(super) fn steer(&mut self, request: SteerRequest, now: Timestamp) -> anyhow::Result<SteerAnswer> {
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
