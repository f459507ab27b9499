// The page is whole without this script. It fetches it anew as soon as something is reported, marks at once what has just changed,
// and says when the agent is not reached.
addEventListener("error", (event) => { document.documentElement.dataset.error = event.message; });

const patience = 1000, pace = 5000;
// The time of the newest event: an answer may be up to a second old, and what is older than this would undo what is shown.
let newest = "";
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
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const isOld = answer.ok && page.getElementById("now").dataset.time < newest;
      if (answer.ok && !isOld) take(page);
      reached(answer.ok);
      if (isOld) later(0);
    } catch { reached(false); }
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
  if (String(getSelection()) && old.contains(getSelection().anchorNode)) return;
  old.replaceWith(document.adoptNode(fresh));
  fresh.querySelectorAll(".scroll, .wide").forEach((one, at) => { [one.scrollTop, one.scrollLeft] = scrolled[at] ?? [0, 0]; });
  if (focused >= 0) [...fresh.querySelectorAll("a, summary, [tabindex]")][focused]?.focus({ preventScroll: true });
  const now = page.getElementById("now");
  document.getElementById("now").textContent = now.textContent;
  document.title = page.title;
  document.documentElement.dataset.fetched = String(1 + Number(document.documentElement.dataset.fetched ?? 0));
}

function reached(isReached) { document.getElementById("offline").hidden = isReached; }

const stream = new EventSource("/api/v1/events/stream");
stream.onmessage = (message) => onEvent(JSON.parse(message.data));
stream.onopen = () => { document.documentElement.dataset.live = "on"; later(0); };
stream.onerror = () => { delete document.documentElement.dataset.live; later(patience); };
document.addEventListener("visibilitychange", () => { if (!document.hidden) later(0); });
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
later(pace);
document.documentElement.dataset.script = "ran";
