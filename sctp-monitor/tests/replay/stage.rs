//! A NIC with the agent on it, and somebody who sends frames to it.

use std::{path::Path, thread, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sctp_monitor_lab::{End, Injector, Lab, Monitor, clock::wall_clock_offset_ns};
use serde_json::Value as Json;

use crate::frames::Frames;

/// What the agent said.
pub(crate) struct Said {
    /// Nanoseconds since 1970, when the first frame was sent.
    pub(crate) began_ns: i128,
    pub(crate) events: Vec<Json>,
}

/// The agent on a gateway's NIC.
struct Stage {
    agent: Monitor,
    injector: Injector,
    _lab: Lab,
}

impl Stage {
    fn new() -> Self {
        let end = |node| End::new(node, "wire");
        let lab = Lab::builder()
            .path("wire", end("gateway"), end("elsewhere"))
            .build()
            .unwrap();
        let arguments = ["--iface", "wire", "--vantage", "gateway"];
        let binary = Path::new(env!("CARGO_BIN_EXE_sctp-monitor"));
        let agent = Monitor::spawn(lab.host("gateway"), binary, arguments).unwrap();
        agent.wait_until_watching(1, VERIFIED_WITHIN).unwrap();
        Self {
            agent,
            injector: lab.path("wire").injector("gateway").unwrap(),
            _lab: lab,
        }
    }

    fn play(self, frames: &Frames) -> Said {
        let frames = frames.iter().map(|(after, frame)| (*after, frame.as_slice()));
        let began_ns = self.injector.replay(frames).unwrap();
        let offset_ns = wall_clock_offset_ns();
        // Its last turn takes what has arrived.
        let agent = i32::try_from(self.agent.pid()).unwrap();
        kill(Pid::from_raw(agent), Signal::SIGTERM).unwrap();
        let (status, events, errors) = self.agent.join(ENDS_WITHIN).unwrap();
        assert!(status.success(), "{status}: {errors}");
        Said {
            began_ns: i128::from(began_ns) + i128::from(offset_ns),
            events,
        }
    }
}

/// Shows each to an agent of its own, side by side.
pub(crate) fn play_all(all: &[Frames]) -> Vec<Said> {
    // All are ready before the first plays: what it takes to start one would delay the frames of another.
    let stages: Vec<_> = all.iter().map(|_| Stage::new()).collect();
    thread::scope(|scope| {
        let plays: Vec<_> = all
            .iter()
            .zip(stages)
            .map(|(frames, stage)| scope.spawn(move || stage.play(frames)))
            .collect();
        plays.into_iter().map(|play| play.join().unwrap()).collect()
    })
}

/// By so many seconds the agent may say something later than is true of the capture: the sender wakes up late, on a machine
/// that has other work too.
pub(crate) const LATER: f64 = 0.06;

/// The verifier takes milliseconds, and ten seconds where the machine is emulated.
const VERIFIED_WITHIN: Duration = Duration::from_secs(90);
/// Taking the programs off takes a few RCU grace periods, and all end at about the same time.
const ENDS_WITHIN: Duration = Duration::from_secs(60);
