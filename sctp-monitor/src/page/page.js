// An error must not pass unseen: it is written where whoever tests the page finds it.
addEventListener("error", (event) => { document.documentElement.dataset.error = event.message; });

addEventListener("DOMContentLoaded", () => {
  filter();
  reveal();
  crosshair();
  document.documentElement.dataset.script = "ran";
});

// Shows the associations that hold all of the words.
function filter() {
  const form = document.getElementById("filter");
  if (!form) return;
  form.hidden = false;
  const all = [...document.querySelectorAll("details.association")];
  const texts = all.map((one) => one.querySelector("summary").textContent.toLowerCase());
  const apply = () => {
    const words = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    all.forEach((one, at) => {
      const isWrong = !form.wrong.checked || one.dataset.verdict !== "over";
      one.hidden = !(isWrong && words.every((word) => texts[at].includes(word)));
      shown += one.hidden ? 0 : 1;
    });
    form.shown.textContent = shown + " of " + all.length;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
}

// A link to a folded association unfolds it, and so does the printer.
function reveal() {
  const open = () => {
    const target = location.hash && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") { target.hidden = false; target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  open();
}

// The time under the pointer, in all plots of an association at once.
function crosshair() {
  const space = "http://www.w3.org/2000/svg", left = 66, right = 590;
  document.querySelectorAll("details.association").forEach((one) => {
    const plots = [...one.querySelectorAll(".plot svg")];
    const hide = () => one.querySelectorAll(".pointer").forEach((mark) => mark.remove());
    plots.forEach((plot) => {
      plot.addEventListener("pointerleave", hide);
      plot.addEventListener("pointermove", (event) => {
        const box = plot.getBoundingClientRect();
        const x = (event.clientX - box.left) / box.width * 600;
        hide();
        if (x < left || x > right) return;
        const from = Number(plot.dataset.from), to = Number(plot.dataset.to);
        const time = new Date(from + (x - left) / (right - left) * (to - from)).toISOString().slice(11, 23);
        plots.forEach((other) => {
          const group = document.createElementNS(space, "g");
          group.setAttribute("class", "pointer");
          const line = document.createElementNS(space, "line");
          for (const [name, value] of [["x1", x], ["x2", x], ["y1", 10], ["y2", 164]]) line.setAttribute(name, value);
          const text = document.createElementNS(space, "text");
          text.setAttribute("x", Math.min(Math.max(x, left + 40), right - 40));
          text.setAttribute("y", 194);
          text.textContent = time;
          group.append(line, text);
          other.append(group);
        });
      });
    });
  });
}
