// The board by keyboard. Single letters can be switched off by whoever is signed in; arrows, Enter and Esc stay.

const ARROWS = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"];
const letters = root.dataset.shortcuts === "on";

let held = []; // Keys that were pressed while a question was being answered.

document.addEventListener("keydown", (event) => {
  if (!isBeingAnswered()) return onKey(event);
  event.preventDefault();
  held.push(event);
});

// What was pressed since the question was closed, now that its answer is known.
function pressHeldKeys() {
  if (!isBeingAnswered()) return;
  question = null;
  const keys = held;
  held = [];
  for (const event of keys) document.activeElement.dispatchEvent(new KeyboardEvent("keydown", event));
}

function onKey(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || dialogIsOpen()) return;
  if (drag) {
    if (event.key === "Escape") leaveDrag();
    return;
  }
  if (placing) {
    if (placingKey(event)) event.preventDefault();
    return;
  }
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.target.closest(".found")) return;
  if (event.target.closest(".toasts, [data-panel]") && ARROWS.includes(event.key)) return;
  if (boardKey(event)) event.preventDefault();
}

// Whether the key meant something here.
function boardKey(event) {
  if (ARROWS.includes(event.key)) return arrow(event.key, event.target.closest("[data-ref]") ?? chosenVisit());
  if (event.key === "Escape") {
    if (shown) closePanel();
    else letGo();
    return true;
  }
  if (!letters) return false;
  const visit = spokenOf();
  switch (event.key.length === 1 ? event.key.toLowerCase() : "") {
    case "m": if (visit) beginByKeys(visit); return Boolean(visit);
    case "a": if (visit) setStatus(visit, "arrived"); return Boolean(visit);
    case "c": if (visit) setStatus(visit, "confirmed"); return Boolean(visit);
    case "e": if (visit) window.location.assign(changeForm(visit)); return Boolean(visit);
    case "f": if (visit) window.location.assign(`/desk/visits/${visit.dataset.ref}/times?${wayBack(visit.dataset.ref)}`); return Boolean(visit);
    case "w": if (visit?.dataset.person) weekOf(visit); return Boolean(visit);
    case "n": window.location.assign(root.querySelector("[data-new]").href); return true;
    case "/": findField.select(); return true;
    case "t": window.location.assign(root.dataset.today); return true;
    case "u": undoLast(); return true;
    case "?": ask(dialog("help")); return true;
    default: return false;
  }
}

// Nothing is chosen any more, and nothing has the focus: arrows turn to other days.
function letGo() {
  choose(null);
  scroll.focus({ preventScroll: true });
}

function arrow(key, visit) {
  if (visit) {
    const next = neighbour(visit, key);
    if (next) choose(next);
    return true;
  }
  if (key === "ArrowLeft" || key === "ArrowRight") {
    window.location.assign(key === "ArrowLeft" ? root.dataset.earlier : root.dataset.later);
    return true;
  }
  const first = firstVisit();
  if (first) choose(first);
  return Boolean(first);
}

// The week of who gives the visit, with the visit chosen: from there it moves to another day.
function weekOf(visit) {
  const day = visit.closest("[data-column]")?.dataset.day ?? visit.dataset.day ?? root.dataset.day;
  window.location.assign(`/desk/week/${visit.dataset.person}/${day}#v-${visit.dataset.ref}`);
}

function changeForm(visit) {
  return `/desk/visits/${visit.dataset.ref}/change?${wayBack(visit.dataset.ref)}`;
}

function beginByKeys(visit) {
  if (!visit.matches(".v")) {
    // In the list, and on another day, a visit is moved by its form.
    window.location.assign(changeForm(visit));
    return;
  }
  if (!("movable" in visit.dataset)) {
    tell(word("fixed"));
    return;
  }
  beginPlacing(visit, { show: showPlace });
  tell(word("moving", { name: placing.name }));
}

function placingKey(event) {
  const step = Number(root.dataset.step);
  switch (event.key) {
    case "Escape":
      endPlacing();
      tell(word("left"));
      return true;
    case "Enter": {
      // Where it is by then: arrows that were pressed before may still wait for the answer.
      afterPlaces(() => { drop(placing.column, placing.at); });
      return true;
    }
    case "ArrowUp":
    case "ArrowDown": {
      const way = event.key === "ArrowUp" ? -1 : 1;
      if (event.shiftKey) inTurn(() => toCell(placing.at + way));
      else afterPlaces(() => toNextPlace(way, step));
      return true;
    }
    case "PageUp":
    case "PageDown":
      inTurn(() => toCell(placing.at + (event.key === "PageUp" ? -12 : 12)));
      return true;
    case "ArrowLeft":
    case "ArrowRight":
      toColumn(event.key === "ArrowLeft" ? -1 : 1);
      return true;
    case "+":
    case "-":
      inTurn(() => {
        setLength(placing, placing.longer + (event.key === "+" ? 1 : -1));
        showPlace();
      });
      return true;
    default:
      return event.key === " ";
  }
}

// What keys do is done in their order; some wait for the answer that they need.
function inTurn(action) {
  const mine = placing;
  mine.turn = mine.turn.then(() => (placing === mine ? action() : null));
}

function afterPlaces(action) {
  inTurn(() => lookUp(placing));
  inTurn(action);
}

// To the next start on the clinic's grid at which all rules are kept, or all but the notice: who telephones is asking for
// soon. Places that take more of a reason are for Shift.
function toNextPlace(way, step) {
  const { column } = placing;
  for (let cell = placing.at + way; cell >= column.cell0 && cell < column.cell0 + column.rows; cell += way) {
    if ((cell - column.cell0) % step === 0 && ["free", "soon"].includes(judge(column, cell))) {
      placing.at = cell;
      showPlace();
      return;
    }
  }
  tell(word("none"));
}

// To any place that hasn't passed.
function toCell(cell) {
  const { column, now, at } = placing;
  const first = Math.max(column.cell0, now);
  const last = column.cell0 + column.rows - 1;
  if (first <= last && (cell > at || at > first)) placing.at = Math.min(Math.max(cell, first), last);
  showPlace();
}

// To the next column in which the visit can be at all, at the same time of day, or as soon as that can be.
function toColumn(way) {
  afterPlaces(() => {
    const { columns, column, now } = placing;
    for (let next = columns.indexOf(column) + way; columns[next]; next += way) {
      const places = placesIn(columns[next]);
      if (isKnown(columns[next]) && !(places && places.free.length + places.soon.length + places.reason.length)) continue;
      const at = columns[next].cell0 + (placing.at - column.cell0);
      placing.column = columns[next];
      placing.at = at < now && judge(columns[next], at) === "taken" ? now : at;
      break;
    }
    showPlace();
  });
}

// The visit's ghost in its new place, as long as keys move it.
function showPlace() {
  const { column, at, rows, longer, visit } = placing;
  scroll.querySelector(".key-ghost")?.parentElement.remove();
  const layer = document.createElement("div");
  layer.className = "lights";
  const ghost = document.createElement("div");
  ghost.className = `v key-ghost chosen t${at - column.cell0} h${Math.max(rows + longer, 1)}`;
  const said = document.createElement("span");
  said.className = "at";
  said.textContent = `${timeOf(at)} ${nameOf(visit)}`;
  ghost.append(said);
  layer.append(ghost);
  column.ground.append(layer);
  ghost.scrollIntoView({ block: "nearest", inline: "nearest" });
  const verdict = sayPlace(column, at);
  ghost.classList.toggle("bad", verdict === "taken");
  ghost.classList.toggle("reasoned", takesReason(verdict));
}
