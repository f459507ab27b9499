//! The same lab with the terminal view or the page open on it: the path breaks and heals by keys, or by itself.

use std::{
    io::{self, BufRead as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    process::{Child, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Context as _;
use sctp_monitor_lab::{Endpoint, EndpointConfig, Lab, clock::monotonic_ns, wait};

use crate::{DIAMETER, DIAMETER_PPID, SOON, nanos, say};

/// An agent without output, which ends with this.
struct Quiet(Child);

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The lab, an association in use, and an agent beside it.
struct Stage {
    // The endpoints go first, then the agent, then the network.
    _endpoints: [Endpoint; 2],
    agent: Quiet,
    lab: Lab,
}

impl Stage {
    fn new(monitor: &Path) -> anyhow::Result<Self> {
        let lab = Lab::two_hosts_two_paths()?;
        let mut command = lab.host("mme").command(monitor);
        command
            .args(["run", "--iface", "path1", "--iface", "path2", "--pin", "no"])
            .args(["--web.listen-address", SERVED])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let agent = Quiet(command.spawn().context("the agent cannot be started")?);
        let is_served = || {
            lab.host("mme")
                .run(|| TcpStream::connect(SERVED))
                .ok()?
                .ok()
                .map(drop)
        };
        wait::until(SOON, is_served).context("the agent does not serve")?;
        let server = Endpoint::spawn(
            lab.host("hss"),
            &EndpointConfig::listen(lab.ipv4("hss"), DIAMETER),
        )?;
        let mut config = EndpointConfig::connect(lab.ipv4("mme"), lab.ipv4("hss"), DIAMETER).rate(20.0);
        config.traffic.ppid = DIAMETER_PPID;
        let client = Endpoint::spawn(lab.host("mme"), &config)?;
        client.wait_until_up(1, SOON)?;
        Ok(Self {
            _endpoints: [client, server],
            agent,
            lab,
        })
    }
}

/// Shows `sctp-monitor top` while path1 breaks and heals by itself, until its user quits.
pub(crate) fn top(monitor: &Path) -> anyhow::Result<bool> {
    let stage = Stage::new(monitor)?;
    say("The terminal view opens. Every 15 s path1 breaks, or is repaired. `?` explains, `q` ends.");
    let mut view = stage
        .lab
        .host("mme")
        .command(monitor)
        .args(["top", "--agent", &stage.agent.0.id().to_string()])
        .spawn()
        .context("top cannot be started")?;
    let mut is_broken = false;
    loop {
        let due = monotonic_ns() + nanos(TURN);
        let mut ended = None;
        let _ = wait::until(2 * TURN, || {
            ended = view.try_wait().ok().flatten();
            (ended.is_some() || monotonic_ns() > due).then_some(())
        });
        if let Some(status) = ended {
            return Ok(status.success());
        }
        turn(&stage.lab, &mut is_broken)?;
    }
}

/// Serves the page on this host while path1 breaks and heals at each Enter, until `q`.
pub(crate) fn web(monitor: &Path) -> anyhow::Result<bool> {
    let stage = Arc::new(Stage::new(monitor)?);
    let listener = TcpListener::bind(SERVED)
        .with_context(|| format!("{SERVED} is taken on this host: does another agent run?"))?;
    let through = Arc::clone(&stage);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let through = Arc::clone(&through);
            thread::spawn(move || relay(&client, &through));
        }
    });
    say(&format!("The page is at http://{SERVED}/"));
    println!("Enter: path1 breaks, or is repaired.  q and Enter: end.");
    let mut is_broken = false;
    for line in io::stdin().lock().lines() {
        if line?.trim() == "q" {
            break;
        }
        turn(&stage.lab, &mut is_broken)?;
        let now = if is_broken {
            "broken: all its packets are dropped"
        } else {
            "repaired"
        };
        println!("path1 is {now}.");
        io::stdout().flush()?;
    }
    Ok(true)
}

fn turn(lab: &Lab, is_broken: &mut bool) -> anyhow::Result<()> {
    let path = lab.path("path1");
    if *is_broken {
        path.heal()?;
    } else {
        path.break_silently()?;
    }
    *is_broken = !*is_broken;
    Ok(())
}

/// What a browser of this host says to the agent in its namespace, and back.
fn relay(client: &TcpStream, stage: &Stage) {
    let Ok(Ok(agent)) = stage.lab.host("mme").run(|| TcpStream::connect(SERVED)) else {
        return;
    };
    let copy = |from: &TcpStream, to: &TcpStream| {
        let (mut from, mut to) = (from, to);
        // Whoever leaves ends both ways.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    };
    thread::scope(|scope| {
        scope.spawn(|| copy(client, &agent));
        copy(&agent, client);
    });
}

/// Where the agent serves in its namespace, and the demo on this host.
const SERVED: &str = "127.0.0.1:9143";

/// From one break or repair to the next.
const TURN: Duration = Duration::from_secs(15);
