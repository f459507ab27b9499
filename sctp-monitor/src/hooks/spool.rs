//! What is still to be told: in order, for a while, with growing pauses between two tries.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use caps::CapSet;
use sctp_monitor_engine::model::Timestamp;
use tracing::{debug, info, warn};

use super::{Deliver, Notice};
use crate::clock::{self, Clock};

/// The way to the thread that tells.
#[derive(Debug)]
pub(super) struct Spool {
    to: SyncSender<Notice>,
    waiting: Arc<AtomicUsize>,
}

impl Spool {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has none left.
    pub(super) fn start(name: &str, hook: Box<dyn Deliver>) -> io::Result<Self> {
        let (to, notices) = sync_channel(MOST);
        let waiting = Arc::new(AtomicUsize::new(0));
        let teller = Teller {
            name: name.to_owned(),
            hook,
            waiting: Arc::clone(&waiting),
        };
        thread::Builder::new()
            .name("hook".to_owned())
            .spawn(move || teller.run(&notices))?;
        Ok(Self { to, waiting })
    }

    /// Takes one more.
    ///
    /// # Errors
    /// If too many wait already; then this one is lost.
    pub(super) fn push(&self, notice: Notice) -> io::Result<()> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.to.try_send(notice).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            io::Error::other(match error {
                TrySendError::Full(_) => "too many incidents could not be delivered",
                TrySendError::Disconnected(_) => "its thread has ended",
            })
        })
    }

    /// Waits until all is told, for a moment at most.
    pub(super) fn finish(&self) {
        for _ in 0..20 {
            if self.waiting.load(Ordering::Relaxed) == 0 {
                return;
            }
            clock::wait(Duration::from_millis(20));
        }
        warn!(
            "{} incidents were not delivered to a hook before the end",
            self.waiting.load(Ordering::Relaxed)
        );
    }
}

struct Teller {
    name: String,
    hook: Box<dyn Deliver>,
    waiting: Arc<AtomicUsize>,
}

impl Teller {
    fn run(mut self, notices: &Receiver<Notice>) {
        // Capabilities are a thread's own: a program that it starts needs none of those that a service manager gave the agent.
        if let Err(error) = caps::clear(None, CapSet::Ambient) {
            debug!("{}: programs may inherit capabilities: {error}", self.name);
        }
        while let Ok(notice) = notices.recv() {
            self.tell(&notice);
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn tell(&mut self, notice: &Notice) {
        let began = now();
        let mut pause = FIRST_PAUSE;
        let mut tries = 0;
        loop {
            tries += 1;
            let Err(error) = self.hook.deliver(notice) else {
                if tries > 1 {
                    info!("{}: delivered at try {tries}", self.name);
                }
                return;
            };
            if tries == 1 {
                warn!(
                    "{}: incident {} was not delivered, and is tried again: {error}",
                    self.name, notice.incident.id
                );
            }
            if now().since(began) + pause > LONGEST {
                warn!(
                    "{}: incident {} is given up after {tries} tries: {error}",
                    self.name, notice.incident.id
                );
                return;
            }
            clock::wait(pause);
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}

fn now() -> Timestamp {
    Clock::now().unwrap_or_default()
}

/// Incidents that wait at most: a kilobyte each.
const MOST: usize = 1_000;

/// From one try to the next; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long one incident is tried; those after it wait as long.
const LONGEST: Duration = Duration::from_secs(600);
