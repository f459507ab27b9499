//! The agent's side: a thread that serves one client after the other, each within seconds.
//!
//! The loop is asked by a queue and hands over a copy; writing it as JSON is the thread's affair, however slow a client reads.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process,
    sync::Arc,
    thread,
    time::Duration,
};

use nix::{
    sys::socket::{getsockopt, sockopt::PeerCredentials},
    unistd::geteuid,
};
use sctp_monitor_engine::model::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, info};

use super::{
    Refusal, Request, SteerAnswer, SteerRequest,
    place::{self, DIRECTORY, Place},
};
use crate::{
    clock::{self, Clock},
    history::History,
    report::Summary,
};

/// What a client wants to know or to be done, and where the answer goes.
#[derive(Debug)]
pub enum Question {
    /// How things are.
    Summary(oneshot::Sender<Summary>),
    /// What is moved to another path, and what is to be.
    Steer(SteerRequest, oneshot::Sender<SteerAnswer>),
}

/// The socket; it goes away when this is dropped.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
}

impl Drop for Control {
    fn drop(&mut self) {
        // It may have been removed by hand.
        let _ = fs::remove_file(&self.path);
    }
}

/// Listens for clients of this network namespace until the process ends. What they ask goes into the queue.
///
/// # Errors
/// If the directory is not this user's own, or the socket cannot be made.
pub fn serve(questions: mpsc::Sender<Question>, history: Arc<History>) -> io::Result<Control> {
    serve_in(Path::new(DIRECTORY), questions, history)
}

fn serve_in(
    directory: &Path,
    questions: mpsc::Sender<Question>,
    history: Arc<History>,
) -> io::Result<Control> {
    place::make(directory)?;
    place::remove_dead(directory)?;
    let place = Place {
        namespace: place::own_namespace()?,
        process: process::id(),
    };
    let path = place.path(directory);
    let listener = UnixListener::bind(&path)?;
    let control = Control { path };
    fs::set_permissions(&control.path, fs::Permissions::from_mode(0o600))?;
    thread::Builder::new().name("control".to_owned()).spawn(move || {
        Server {
            questions,
            history,
            asked_at: None,
        }
        .listen(&listener);
    })?;
    Ok(control)
}

struct Server {
    questions: mpsc::Sender<Question>,
    history: Arc<History>,
    /// When the loop was asked last.
    asked_at: Option<Timestamp>,
}

impl Server {
    fn listen(mut self, listener: &UnixListener) {
        for client in listener.incoming() {
            if let Err(error) = client.and_then(|client| self.attend(&client)) {
                debug!("a client of the control socket was not served: {error}");
            }
        }
    }

    /// Serves one client.
    fn attend(&mut self, client: &UnixStream) -> io::Result<()> {
        client.set_read_timeout(Some(PATIENCE))?;
        client.set_write_timeout(Some(PATIENCE))?;
        let who = getsockopt(client, PeerCredentials)?;
        match read(client) {
            _ if !may_ask(who.uid()) => write(client, refusal(NOT_YOURS)?.as_bytes()),
            Ok(Request::History(wanted)) => write(client, line(&self.history.record(&wanted))?.as_bytes()),
            Ok(Request::Summary) => write(client, self.summary()?.as_bytes()),
            Ok(Request::Steer(request)) => {
                if request.changes_something() {
                    info!(
                        pid = who.pid(),
                        uid = who.uid(),
                        ?request,
                        "a command that changes something"
                    );
                }
                write(client, self.steer(request)?.as_bytes())
            }
            Err(error) => write(client, refusal(&error)?.as_bytes()),
        }
    }

    /// Asks the loop, but not all the time: it has other things to do.
    fn summary(&mut self) -> io::Result<String> {
        match self.ask(Question::Summary)? {
            Some(summary) => line(&summary.reported()),
            None => refusal(ENDS),
        }
    }

    fn steer(&mut self, request: SteerRequest) -> io::Result<String> {
        match self.ask(|answer| Question::Steer(request, answer))? {
            Some(answer) => line(&answer),
            None => refusal(ENDS),
        }
    }

    /// `None` if the loop does not answer any more.
    fn ask<T>(&mut self, question: impl FnOnce(oneshot::Sender<T>) -> Question) -> io::Result<Option<T>> {
        if let Some(at) = self.asked_at {
            clock::wait(APART.saturating_sub(Clock::now()?.since(at)));
        }
        self.asked_at = Some(Clock::now()?);
        let (to, answer) = oneshot::channel();
        let asked = self.questions.blocking_send(question(to)).is_ok();
        Ok(asked.then(|| answer.blocking_recv().ok()).flatten())
    }
}

/// The directory keeps others out; a socket that was handed over does not.
fn may_ask(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

/// Reads the request, which is a short line.
fn read(client: &UnixStream) -> Result<Request, String> {
    let mut line = String::new();
    let read = BufReader::new(client.take(LONGEST_REQUEST)).read_line(&mut line);
    read.map_err(|error| error.to_string())?;
    serde_json::from_str(&line).map_err(|error| format!("not understood: {error}"))
}

fn refusal(error: &str) -> io::Result<String> {
    line(&Refusal {
        error: error.to_owned(),
    })
}

fn line(what: &impl serde::Serialize) -> io::Result<String> {
    let mut line = serde_json::to_string(what)?;
    line.push('\n');
    Ok(line)
}

/// Writes to a client as long as it reads, and for a while at most.
fn write(mut client: &UnixStream, mut bytes: &[u8]) -> io::Result<()> {
    let began = Clock::now()?;
    while !bytes.is_empty() {
        if Clock::now()?.since(began) > LONGEST {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let written = client.write(bytes)?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Between two questions to the loop.
const APART: Duration = Duration::from_secs(1);

/// How long a client may stand still.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long one client may take.
const LONGEST: Duration = Duration::from_secs(20);

/// Bytes of a request, at most.
const LONGEST_REQUEST: u64 = 512;

const NOT_YOURS: &str = "only root, and the user of the agent, may ask";

const ENDS: &str = "the agent is about to end";

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use sctp_monitor_engine::model::PathState;

    use super::*;
    use crate::{
        control::client::{AskError, agents_in},
        history::{HistorySettings, Wanted},
        report::{
            NoticeKind,
            samples::{FIRST, association, now, summary},
        },
    };

    /// A loop that answers all questions; counts them.
    fn answer(mut asked: mpsc::Receiver<Question>, known: Summary) -> Arc<AtomicU32> {
        let told = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&told);
        thread::spawn(move || {
            while let Some(question) = asked.blocking_recv() {
                count.fetch_add(1, Ordering::Relaxed);
                if let Question::Summary(to) = question {
                    let _ = to.send(known.clone());
                }
            }
        });
        told
    }

    fn kept() -> Arc<History> {
        History::new(&HistorySettings::default())
    }

    fn ask_raw(path: &Path, request: &[u8]) -> String {
        let mut client = UnixStream::connect(path).unwrap();
        client.write_all(request).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_client_of_the_same_namespace_is_told_how_things_are() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("agents");
        let (questions, asked) = mpsc::channel(1);
        let control = serve_in(&directory, questions, kept()).unwrap();
        let known = summary(&[association(1, &[])]);
        let told = answer(asked, known.clone());
        let agents = agents_in(&directory).unwrap();
        assert_eq!(agents.len(), 1);
        assert_eq!(agents[0].process(), process::id());
        let began = Clock::now().unwrap();
        for _ in 0..3 {
            assert_eq!(agents[0].summary().unwrap(), known.clone().reported());
        }
        assert_eq!(told.load(Ordering::Relaxed), 3, "each answer is new");
        assert!(
            Clock::now().unwrap().since(began) >= 2 * APART,
            "the loop is left alone"
        );
        drop(control);
        assert!(agents_in(&directory).unwrap().is_empty());
    }

    #[test]
    fn a_client_is_told_what_was_without_a_question_to_the_loop() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("agents");
        let (questions, _asked) = mpsc::channel(1);
        let history = kept();
        let known = summary(&[association(1, &[(FIRST, PathState::Active)])]);
        history.on_summary(&known);
        let event = NoticeKind::NotWatched {
            interface: "path1".to_owned(),
            reason: "it is gone".to_owned(),
        }
        .at(now());
        let json = serde_json::to_string(&event).unwrap();
        history.events().push(now(), json);
        let _control = serve_in(&directory, questions, history).unwrap();
        let agents = agents_in(&directory).unwrap();
        let wanted = Wanted {
            paths: true,
            ..Wanted::default()
        };
        let record = agents[0].history(wanted).unwrap();
        assert_eq!(record.events, [event]);
        assert_eq!(record.paths.len(), 1);
        assert_eq!(record.paths[0].samples[0].time, now());
        let nothing = agents[0].history(Wanted {
            after: record.last,
            ..Wanted::default()
        });
        assert!(nothing.unwrap().events.is_empty());
    }

    #[test]
    fn a_request_that_is_no_request_is_refused_and_the_next_client_is_served() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("agents");
        let (questions, asked) = mpsc::channel(1);
        let control = serve_in(&directory, questions, kept()).unwrap();
        answer(asked, summary(&[]));
        for request in [
            &b"\n"[..],
            b"summary\n",
            b"{\"request\":\"stop\"}\n",
            &[b'x'; 512],
            &[0xff, b'\n'],
        ] {
            let answer = ask_raw(&control.path, request);
            let refusal: Refusal = serde_json::from_str(&answer).unwrap();
            assert!(!refusal.error.is_empty());
        }
        // One that says nothing holds up the others for a moment only.
        let silent = UnixStream::connect(&control.path).unwrap();
        let answer = ask_raw(&control.path, b"{\"request\":\"summary\"}\n");
        assert!(answer.contains("\"event\":\"summary\""), "{answer}");
        drop(silent);
    }

    #[test]
    fn an_agent_that_ends_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("agents");
        let (questions, asked) = mpsc::channel(1);
        let _control = serve_in(&directory, questions, kept()).unwrap();
        drop(asked);
        let agents = agents_in(&directory).unwrap();
        let error = agents[0].summary().unwrap_err();
        assert!(
            matches!(&error, AskError::Refused { error } if error.contains("end")),
            "{error}"
        );
    }
}
