// The page is whole without this script. It fetches it anew as soon as something is reported, marks at once what has just changed,
// and says when the agent is not reached.
addEventListener("error", (event) => { document.documentElement.dataset.error = event.message; });

const patience = 1000, pace = 5000, longest = 15000;
// The time of the newest event: an answer may be up to a second old, and what is older than this would undo what is shown.
let newest = "", refused = 0;
let asked = 0, waits = null, isFetching = false;

// Puts a state into a cell or a badge, as the server would.
function mark(place, state) {
  const template = document.getElementById("state-" + state);
  if (!place || !template) return;
  place.querySelector(".state")?.replaceChildren(template.content.cloneNode(true));
  if (!place.querySelector(".state")) place.replaceChildren(template.content.cloneNode(true));
  place.className = place.className.replace(/\b(active|potentially_failed|inactive|unconfirmed)\b/g, "") + " " + state + " changed";
  if (place.dataset.state) place.dataset.state = state;
}

function onEvent(event) {
  if (event.time > newest) newest = event.time;
  if (event.event === "path_state_changed") {
    if (location.pathname === "/associations/" + event.association) {
      mark(document.querySelector(`[data-path="${CSS.escape(event.local + ">" + event.remote)}"]`), event.to);
    }
    if (event.to === "inactive") {
      mark(document.querySelector(`tr[data-association="${Number(event.association)}"] .badge`), event.to);
    }
  }
  later(0);
}

// Soon, and not more often than once a second.
function later(delay) {
  const due = Math.max(delay, asked + patience - performance.now());
  if (waits && waits.at <= performance.now() + due) return;
  if (waits) clearTimeout(waits.timer);
  waits = { at: performance.now() + due, timer: setTimeout(refresh, due) };
}

async function refresh() {
  waits = null;
  asked = performance.now();
  if (!isFetching) {
    isFetching = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(longest) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      // Not for ever: events may come all the time, and the clock of the agent's host may be set back.
      const isOld = answer.ok && page.getElementById("now").dataset.time < newest && refused++ < 3;
      if (answer.ok && !isOld) { refused = 0; take(page); }
      say("offline", answer.ok ? "" : why(answer.status));
      if (isOld) later(0);
    } catch { say("offline", "Not connected to the agent"); }
    isFetching = false;
  }
  later(document.hidden ? 60000 : pace);
}

// The new page in place of the old one: what is unfolded, scrolled or has the focus stays so.
function take(page) {
  const fresh = page.querySelector("main"), old = document.querySelector("main");
  if (!fresh) return;
  const name = (one) => one.closest("[data-finding]")?.querySelector(".what")?.textContent;
  const open = new Set([...old.querySelectorAll("details[open]")].map(name));
  fresh.querySelectorAll("details").forEach((one) => { one.open ||= open.has(name(one)); });
  const scrolled = [...old.querySelectorAll(".scroll, .wide")].map((one) => [one.scrollTop, one.scrollLeft]);
  const focused = old.contains(document.activeElement) ? [...old.querySelectorAll("a, summary, [tabindex]")].indexOf(document.activeElement) : -1;
  const isSelected = String(getSelection()) && old.contains(getSelection().anchorNode);
  document.getElementById("held").hidden = !isSelected;
  if (isSelected) return;
  old.replaceWith(document.adoptNode(fresh));
  fresh.querySelectorAll(".scroll, .wide").forEach((one, at) => { [one.scrollTop, one.scrollLeft] = scrolled[at] ?? [0, 0]; });
  if (focused >= 0) [...fresh.querySelectorAll("a, summary, [tabindex]")][focused]?.focus({ preventScroll: true });
  const now = page.getElementById("now");
  const shown = document.getElementById("now");
  shown.textContent = now.textContent;
  shown.dataset.time = now.dataset.time;
  if (shown.dataset.agent !== now.dataset.agent) {
    shown.dataset.agent = now.dataset.agent;
    document.getElementById("anew").hidden = false;
    document.querySelector("footer").replaceWith(document.adoptNode(page.querySelector("footer")));
  }
  document.title = page.title;
  document.documentElement.dataset.fetched = String(1 + Number(document.documentElement.dataset.fetched ?? 0));
}

// Says above the page why it is old, or nothing.
function say(id, what) {
  const place = document.getElementById(id);
  place.hidden = !what;
  if (what) place.querySelector("b").textContent = "\u25b2 " + what + ": ";
}

function why(status) {
  if (status === 401) return "The agent asks for a name and a password; load this page again";
  if (status === 404) return "The agent does not know this association any more";
  return "The agent answers with error " + status;
}

// A browser has six connections to a server at a time, for all of its tabs: only a tab that is seen listens.
let stream = null;
function listen() {
  if (document.hidden) {
    stream?.close();
    stream = null;
    delete document.documentElement.dataset.live;
    return;
  }
  later(0);
  if (stream) return;
  stream = new EventSource("/api/v1/events/stream");
  stream.onmessage = (message) => onEvent(JSON.parse(message.data));
  stream.onopen = () => { document.documentElement.dataset.live = "on"; later(0); };
  stream.onerror = () => {
    delete document.documentElement.dataset.live;
    // Refused, as without a password: the browser does not try again.
    if (stream.readyState === EventSource.CLOSED) { stream = null; setTimeout(listen, pace); }
    later(patience);
  };
}
document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => { stream?.close(); stream = null; });
addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
later(pace);
listen();
document.documentElement.dataset.script = "ran";
