//! `sctp-monitor top`: the running agent's associations on a terminal, the worst first, as they change.
//!
//! One thread waits for keys, one asks the agent, and the loop here draws what has changed. What is shown and what a key does is
//! decided in `app` and `view`, which know neither terminal nor agent.

mod app;
mod cut;
mod feed;
mod help;
mod list;
mod matrix;
mod rtts;
mod view;

use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};
use sctp_monitor_engine::model::Timestamp;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use self::{app::App, feed::News};
use crate::{cli::TopArgs, clock::Clock, control};

/// What the loop waits for.
enum Input {
    Terminal(Event),
    News(Box<News>),
}

/// Shows the agent's associations until its user has seen enough.
///
/// # Errors
/// If there is no terminal, no agent to ask, or the terminal fails.
pub fn top(args: &TopArgs) -> anyhow::Result<ExitCode> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        bail!("top needs a terminal; `sctp-monitor associations` writes a list, `--json` for programs");
    }
    let agent = control::the_agent(args.agent)?;
    let mut app = App::new(has_colours(), &args.words.join(" "));
    app.on_time(now());
    app.on_news(feed::first(&agent).context("the running agent was not heard")?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (inputs, taken) = mpsc::channel(64);
    feed::start(args.agent, app.known(), inputs.clone())?;
    let mut terminal = ratatui::try_init().context("the terminal cannot be used")?;
    let result = listen(inputs)
        .map_err(Into::into)
        .and_then(|()| runtime.block_on(show(&mut terminal, app, taken)));
    ratatui::restore();
    // Threads that wait for a key or an answer end with the process.
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

async fn show(
    terminal: &mut DefaultTerminal,
    mut app: App,
    mut taken: mpsc::Receiver<Input>,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut tick = tokio::time::interval(TICK);
    while !app.has_ended() {
        app.on_time(now());
        terminal.draw(|frame| view::draw(frame, &mut app))?;
        tokio::select! {
            input = taken.recv() => match input {
                Some(Input::Terminal(Event::Key(key))) if key.kind != KeyEventKind::Release => app.on_key(key),
                Some(Input::Terminal(_)) => {}
                Some(Input::News(news)) => {
                    app.on_time(now());
                    app.on_news(*news);
                }
                None => return Ok(()),
            },
            _ = tick.tick() => {}
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
        }
    }
    Ok(())
}

/// The kernel has this clock (`Clock::now`).
fn now() -> Timestamp {
    Clock::now().unwrap_or_default()
}

/// How long the agent has been silent is said anew.
const TICK: Duration = Duration::from_secs(1);

/// Waits for keys on a thread of its own, which ends with the terminal.
fn listen(inputs: mpsc::Sender<Input>) -> io::Result<()> {
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        while let Ok(event) = event::read() {
            if inputs.blocking_send(Input::Terminal(event)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// Unless the user wants none (no-color.org), or the terminal has none.
fn has_colours() -> bool {
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}
