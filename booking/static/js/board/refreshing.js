// Others' changes, within seconds: the board is asked for again and again, mostly answered by "nothing new", and only
// what changed is put in its place. Focus, scrolling and what is chosen stay. While somebody moves a visit only the figures
// change, and the needles that are in among them.

const EVERY_MILLISECONDS = 5000;
let tag = root.dataset.tag;
let known = new Map(); // What the server wrote last, by key.
const own = new Map(); // The version that this window gave a visit; "" while that is on its way.
let missed = 0;
let asking = null;

function isOurs(reference) {
  return own.has(reference) && ["", visitOf(reference)?.dataset.version].includes(own.get(reference));
}

function keep(board) {
  known = new Map();
  for (const element of board.querySelectorAll("[data-key]")) known.set(placeOf(element), element.outerHTML);
}

function placeOf(element) {
  return `${element.parentElement.dataset.list} ${element.dataset.key}`;
}

async function refresh({ poll = false } = {}) {
  if (poll && document.hidden) return;
  while (asking) await asking;
  asking = load(poll);
  try {
    await asking;
  } finally {
    asking = null;
  }
}

async function load(poll) {
  let answer;
  try {
    const headers = { Accept: "text/html", "If-None-Match": `W/"${tag}"` };
    answer = await fetch(root.dataset.fragment, { headers: poll ? { ...headers, "X-Poll": "1" } : headers });
  } catch {
    answer = null;
  }
  if (answer?.redirected || answer?.status === 403) {
    // The page itself says why, and keeps nobody's data in sight.
    window.location.reload();
    return;
  }
  if (!answer || (!answer.ok && answer.status !== 304)) {
    missed += 1;
    // Again each time: other words may have taken its place, and the board isn't to look as if it were fresh.
    if (missed >= 3 && !placing) tellNews(word("offline"), { stays: true });
    return;
  }
  if (missed >= 3 && !placing) tell("");
  missed = 0;
  if (answer.status === 304) return;
  const found = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (placing || (poll && dialogIsOpen())) {
    // Without the tag: the next answer brings the rest.
    putFigures(found.querySelector("[data-fresh-counts]"));
    return;
  }
  tag = /"([0-9a-f]+)/.exec(answer.headers.get("ETag") ?? "")?.[1] ?? "";
  put(found, poll);
}

function put(found, poll) {
  const fresh = found.querySelector("[data-board]");
  const board = scroll.querySelector("[data-board]");
  const focused = document.activeElement?.closest?.("[data-key]");
  const holder = focused && scroll.contains(focused) ? focused.id || focused.querySelector("[id]")?.id : null;
  const changed = new Set();
  if (fresh.dataset.shape !== board.dataset.shape) {
    const before = firstCell(board);
    board.replaceWith(fresh);
    keep(fresh);
    // Where the day begins earlier by now, what was in sight stays there.
    if (before !== null) scroll.scrollTop += (before - firstCell(fresh)) * rowHeight(fresh);
  } else {
    const before = known;
    keep(fresh);
    for (const list of fresh.querySelectorAll("[data-list]")) {
      const here = board.querySelector(`[data-list="${list.dataset.list}"]`);
      if (here) reconcile(here, list, before, changed);
    }
  }
  putFigures(found.querySelector("[data-fresh-counts]"));
  rove();
  chosenVisit()?.classList.add("chosen");
  if (holder && !document.getElementById(holder)?.contains(document.activeElement)) {
    document.getElementById(holder)?.focus({ preventScroll: true });
  }
  if (poll) {
    const theirs = [...changed].filter((reference) => !isOurs(reference));
    for (const reference of theirs) visitOf(reference)?.closest("[data-key]").classList.add("changed");
    if (theirs.length) {
      const names = theirs.map((reference) => visitOf(reference)).filter(Boolean).map(nameOf);
      if (names.length) tellNews(word("changed", { count: names.slice(0, 3).join(", ") }));
    }
  }
  panelMayBeOld();
}

// The cell of a board's first row; null for a list.
function firstCell(board) {
  const column = board.querySelector("[data-cell0]");
  return column && Number(column.dataset.cell0);
}

// The figures of the day, if they are others by now.
function putFigures(fresh) {
  const figures = root.querySelector("[data-counts]");
  if (!fresh || figures.innerHTML === fresh.innerHTML) return;
  const link = figures.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  figures.replaceChildren(...fresh.content.childNodes);
  if (link) figures.querySelector(`[href="${link}"]`)?.focus({ preventScroll: true });
}

// Makes one list what the server wrote: what stands unchanged is left alone, also its focus.
function reconcile(here, list, before, changed) {
  const present = new Map([...here.children].map((element) => [element.dataset.key, element]));
  let at = here.firstElementChild;
  for (const element of [...list.children]) {
    const key = element.dataset.key;
    const old = present.get(key);
    present.delete(key);
    if (old && before.get(`${list.dataset.list} ${key}`) === element.outerHTML) {
      if (old === at) at = at.nextElementSibling;
      else here.insertBefore(old, at);
      continue;
    }
    const reference = element.dataset.ref ?? element.querySelector("[data-ref]")?.dataset.ref;
    if (reference && versionIsNew(element, old)) changed.add(reference);
    if (old) {
      if (old === at) at = at.nextElementSibling;
      const marked = old.classList.contains("changed");
      old.remove();
      if (marked) element.classList.add("changed");
    }
    here.insertBefore(element, at);
  }
  for (const gone of present.values()) gone.remove();
}

// A visit whose minutes of lateness grow isn't one that somebody changed.
function versionIsNew(element, old) {
  const version = (one) => (one.matches("[data-ref]") ? one : one.querySelector("[data-ref]"))?.dataset.version;
  return !old || version(element) !== version(old);
}
