// What a board does as soon as it is there.

keep(scroll.querySelector("[data-board]"));
rove();

scroll.addEventListener("focusin", (event) => {
  const visit = event.target.closest("[data-ref]");
  // Under a pointer that is pressed nothing may move away: the click would go elsewhere.
  if (visit && visit.dataset.ref !== chosen && !placing) choose(visit, { focus: false, scrolls: !pressed });
});

scroll.addEventListener("click", (event) => {
  const visit = event.target.closest("[data-ref]");
  const free = event.target.closest("a.free");
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  if (placing) {
    event.preventDefault();
    putWherePointed(event);
  } else if (visit) {
    event.preventDefault();
    openPanel(visit.dataset.ref);
  } else if (free && event.detail) {
    // The time that was pointed at, not only the stretch that it lies in.
    const box = free.getBoundingClientRect();
    const column = columnsOf().find((one) => one.element.contains(free));
    const address = new URL(free.href);
    if (event.clientY - box.top > 0) address.searchParams.set("cell", Math.max(cellAt(column, event.clientY), Number(address.searchParams.get("cell"))));
    event.preventDefault();
    window.location.assign(address);
  }
});

// On the clinic's grid, the time at this height of the window.
function cellAt(column, y) {
  const step = Number(root.dataset.step);
  const row = (y - column.ground.getBoundingClientRect().top) / (column.ground.offsetHeight / column.rows);
  return column.cell0 + Math.floor(row / step) * step;
}

// A visit that is moved by keys may be put where one points as well.
function putWherePointed(event) {
  const column = placing.columns.find((one) => one.ground.contains(event.target));
  if (!column || placing.dropped) return;
  inTurn(() => {
    placing.column = column;
    placing.at = cellAt(column, event.clientY);
    showPlace();
  });
  afterPlaces(() => { drop(placing.column, placing.at); });
}

// In whom needles are opens beside the board, whatever day it shows.
root.querySelector("[data-counts]").addEventListener("click", (event) => {
  const one = event.target.closest("[data-visit]");
  if (!one || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  if (!placing) openPanel(one.dataset.visit);
});

offerReasons(dialog("move"));
wantReason(dialog("move"));

const help = root.querySelector("[data-help]");
help.hidden = false;
help.addEventListener("click", () => ask(dialog("help")));

const wanted = /^[\w-]+$/.exec(new URLSearchParams(window.location.search).get("visit") ?? "")?.[0];

// Today begins at now, with the hour before it in sight; another day when the clinic opens, whoever came in the night. Where the
// page scrolls, what stands above the board goes out of sight only if it has to, and not for whoever comes back to the page.
const grid = scroll.querySelector("[data-opens]");
const isNew = performance.getEntriesByType("navigation")[0]?.type === "navigate";
if (grid) {
  const nowLine = grid.querySelector(".now");
  const at = nowLine ? nowLine.offsetTop : Number(grid.dataset.opens) * rowHeight(grid);
  scroll.scrollTop = nowLine ? at - scroll.clientHeight / 4 : at;
  const inPage = grid.querySelector(".ground").getBoundingClientRect().top + at;
  if (isNew && !wanted && !window.location.hash && scroll.scrollHeight <= scroll.clientHeight && inPage > (window.innerHeight * 3) / 4) {
    window.scrollTo(0, window.scrollY + inPage - window.innerHeight / 4);
  }
}

if (wanted) {
  const visit = visitOf(wanted);
  if (visit) choose(visit, { focus: false });
  // What is on another day, as after "Find a time", is to be found in the panel alone.
  openPanel(wanted, { focus: !visit }).then(sayWhatWasDone);
} else sayWhatWasDone();

// What was done on the page before this one is told here like what is done here, and taken back by U as well.
function sayWhatWasDone() {
  for (const said of toasts.querySelectorAll("[data-said]")) {
    toast(said.querySelector("p").textContent, {
      name: (wanted && panel.querySelector("#visit-name")?.textContent) || "", back: said.querySelector("form")?.getAttribute("action"),
    });
    said.remove();
  }
}

// The whole of what a small visit has no room for.
scroll.addEventListener("pointerover", (event) => {
  const visit = event.target.closest(".v[data-ref]");
  if (visit && !visit.title && !placing) visit.title = visit.querySelector(".text").textContent.replace("✎", "").replace(/\s+/g, " ").trim();
});

// A board that was opened for a visit has it chosen.
const named = /^#v-([\w-]+)$/.exec(window.location.hash);
if (named && visitOf(named[1])) choose(visitOf(named[1]));

setInterval(() => refresh({ poll: true }), EVERY_MILLISECONDS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh({ poll: true }); });
