// Visits and columns as they are on the page at this moment: nothing is kept of them here.

let chosen = null; // The reference of the visit that keys speak of.

function visitOf(reference) {
  return document.getElementById(`v-${reference}`);
}

function chosenVisit() {
  return chosen ? visitOf(chosen) : null;
}

// The visit that letters speak of: the chosen one, else the one in the panel, which may be on another day.
function spokenOf() {
  return chosenVisit() ?? panel.querySelector("[data-ref]");
}

function choose(visit, { focus = true, scrolls = true } = {}) {
  for (const other of scroll.querySelectorAll(".chosen")) other.classList.remove("chosen");
  chosen = visit?.dataset.ref ?? null;
  rove();
  if (!visit) return;
  visit.classList.add("chosen");
  visit.closest(".changed")?.classList.remove("changed");
  if (focus) visit.focus();
  if (scrolls) visit.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// Tab stops at one visit of the board; arrows lead to the others. In the list Tab goes through all.
function rove() {
  const visits = [...scroll.querySelectorAll(".v[data-ref]")];
  const stop = visits.find((visit) => visit.dataset.ref === chosen) ?? visits[0];
  for (const visit of visits) visit.tabIndex = visit === stop ? 0 : -1;
}

function allVisits() {
  return [...scroll.querySelectorAll("[data-ref]")];
}

function visitsOf(patient) {
  return allVisits().filter((visit) => visit.dataset.patient === patient);
}

function nameOf(visit) {
  return visit.querySelector("#visit-name, b").textContent;
}

function factsOf(visit) {
  const column = visit.closest("[data-column]");
  return {
    reference: visit.dataset.ref,
    version: visit.dataset.version,
    name: nameOf(visit),
    cell: Number(visit.dataset.cell),
    rows: Number(visit.dataset.rows),
    person: visit.dataset.person,
    movable: "movable" in visit.dataset,
    column: column?.dataset.column ?? "",
  };
}

// The columns with where each lies in time, and what a visit becomes in it.
function columnsOf() {
  return [...scroll.querySelectorAll("[data-column]")].map((element) => ({
    element,
    ground: element.querySelector(".ground"),
    key: element.dataset.column,
    name: element.querySelector("h2").firstElementChild.textContent.trim(),
    person: element.dataset.person ?? null,
    room: element.dataset.room ?? null,
    day: element.dataset.day,
    cell0: Number(element.dataset.cell0),
    rows: Number(scroll.querySelector("[data-rows]").dataset.rows),
    off: element.classList.contains("off"),
  }));
}

function rowHeight(board) {
  return board.querySelector(".ground").offsetHeight / Number(board.dataset.rows);
}

// The visit that an arrow leads to: the next in the column, or the nearest in time beside it.
function neighbour(visit, key) {
  const column = visit.closest("[data-column]");
  if (!column) {
    const visits = allVisits();
    const step = key === "ArrowUp" || key === "ArrowLeft" ? -1 : 1;
    return visits[visits.indexOf(visit) + step] ?? null;
  }
  const here = [...column.querySelectorAll("[data-ref]")];
  if (key === "ArrowDown" || key === "ArrowUp") return here[here.indexOf(visit) + (key === "ArrowUp" ? -1 : 1)] ?? null;
  const row = Number(visit.dataset.cell) - Number(column.dataset.cell0);
  const columns = columnsOf();
  const step = key === "ArrowLeft" ? -1 : 1;
  for (let at = columns.findIndex((one) => one.element === column) + step; columns[at]; at += step) {
    const there = [...columns[at].element.querySelectorAll("[data-ref]")];
    const far = (one) => Math.abs(Number(one.dataset.cell) - columns[at].cell0 - row);
    if (there.length) return there.reduce((best, one) => (far(one) < far(best) ? one : best));
  }
  return null;
}

// Where arrows begin: at the first of these visits that isn't over, else at the first.
function firstVisit(visits = allVisits()) {
  const now = Date.now() / 300_000;
  return visits.find((visit) => Number(visit.dataset.cell) + Number(visit.dataset.rows) > now) ?? visits[0] ?? null;
}
