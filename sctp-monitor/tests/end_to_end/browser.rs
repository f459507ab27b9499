//! Chromium beside a running agent, led by the DevTools protocol over two FIFOs: no port, and nothing but the agent to be reached.

use std::{
    cell::{Cell, RefCell},
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Stdio},
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use sctp_monitor_lab::{Namespace, skip, wait};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::setup::{SOON, VERIFIED_WITHIN};

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    commands: RefCell<File>,
    answers: RefCell<BufReader<File>>,
    last: Cell<u64>,
    session: Value,
    _folder: TempDir,
}

impl Browser {
    /// `None` if there is no Chromium: the test counts as skipped then, and in CI it fails.
    pub(crate) fn open(test: &str, host: &Namespace, url: &str) -> Option<Self> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&paths).any(|folder| folder.join("chromium").is_file()) {
            skip(test, "there is no chromium; run `cargo xtask setup`");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let fifo = |name: &str| {
            let path = folder.path().join(name);
            mkfifo(&path, Mode::S_IRWXU).unwrap();
            path
        };
        let (commands, answers) = (fifo("commands"), fifo("answers"));
        // Opened for both, so that neither side waits for the other.
        let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path).unwrap();
        let (to, from) = (open(&commands), open(&answers));
        let script = format!(
            "exec chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run --disable-sync \
             --disable-background-networking --disable-component-update --remote-debugging-pipe --user-data-dir={} \
             about:blank 3<{} 4>{}",
            folder.path().join("profile").display(),
            commands.display(),
            answers.display()
        );
        let child = host
            .command("sh")
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Self {
            child,
            commands: RefCell::new(to),
            answers: RefCell::new(BufReader::new(from)),
            last: Cell::new(0),
            session: Value::Null,
            _folder: folder,
        };
        let target = browser.send("Target.createTarget", &json!({ "url": url }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.send("Target.attachToTarget", &target)["sessionId"].clone();
        Some(browser)
    }

    /// Sends a command, and gives its result. Chromium's start is within the time of the first.
    fn send(&self, method: &str, parameters: &Value) -> Value {
        self.last.set(self.last.get() + 1);
        let id = self.last.get();
        let mut command = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_null() {
            command["sessionId"] = self.session.clone();
        }
        let mut line = command.to_string().into_bytes();
        line.push(0);
        self.commands.borrow_mut().write_all(&line).unwrap();
        let mut answers = self.answers.borrow_mut();
        loop {
            wait_readable(answers.get_ref(), answers.buffer().is_empty());
            let mut answer = Vec::new();
            answers.read_until(0, &mut answer).unwrap();
            answer.pop();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// What a script in the page evaluates to; a promise is awaited.
    pub(crate) fn evaluate(&self, script: &str) -> Value {
        self.try_evaluate(script)
            .unwrap_or_else(|answer| panic!("{script}: {answer:#}"))
    }

    fn try_evaluate(&self, script: &str) -> Result<Value, Value> {
        let parameters = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let answer = self.send("Runtime.evaluate", &parameters);
        if answer["exceptionDetails"].is_null() {
            return Ok(answer["result"]["value"].clone());
        }
        Err(answer)
    }

    /// Waits until a script in the page evaluates to something true. While a page is loaded there may be nothing to look at.
    pub(crate) fn wait_for(&self, script: &str) {
        let is_so = || {
            self.try_evaluate(script)
                .is_ok_and(|value| value == true)
                .then_some(())
        };
        wait::until(SOON, is_so)
            .unwrap_or_else(|_| panic!("{script}: {}", self.evaluate("document.body.innerText")));
    }

    /// Waits until the page has run its script.
    pub(crate) fn wait_until_ready(&self) {
        self.wait_for("document.documentElement.dataset.script === 'ran'");
        let error = self.evaluate("document.documentElement.dataset.error ?? ''");
        assert_eq!(error, "", "an error of the script");
    }

    /// Goes to another page.
    pub(crate) fn go(&self, url: &str) {
        self.send("Page.navigate", &json!({ "url": url }));
        let script = format!(
            "location.href === {} && document.readyState === 'complete'",
            json!(url)
        );
        self.wait_for(&script);
    }

    /// Light or dark, and how wide and high it is.
    pub(crate) fn look(&self, scheme: &str, (width, height): (u32, u32)) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.send("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.send("Emulation.setDeviceMetricsOverride", &metrics);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A browser that does not answer fails the test, and does not hang it.
fn wait_readable(file: &File, nothing_is_buffered: bool) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd as _;
    if nothing_is_buffered {
        let timeout = PollTimeout::try_from(VERIFIED_WITHIN).unwrap();
        let mut files = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
        assert!(
            poll(&mut files, timeout).unwrap() > 0,
            "the browser does not answer"
        );
    }
}
