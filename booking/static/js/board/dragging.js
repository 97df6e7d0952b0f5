// Moving by mouse, pen or finger (held for a moment). While something is dragged nothing is measured: where columns lie
// is read once at the start, and only the ghost's transform changes, once a frame.

// In pixels; and paces, in pixels a frame.
const NEAR_EDGE = 44;
const FAR_ENOUGH = 24;
const FASTEST = 8;
const FASTEST_RESIZING = 2;
const HOLD_MILLISECONDS = 380;
let drag = null;
let pressed = null;

scroll.addEventListener("dragstart", (event) => event.preventDefault());

scroll.addEventListener("pointerdown", (event) => {
  const visit = event.target.closest(".v[data-ref]");
  if (!visit || event.button !== 0 || placing) return;
  const touch = event.pointerType === "touch";
  const bottom = touch ? false : event.clientY > visit.getBoundingClientRect().bottom - 6;
  pressed = { visit, x: event.clientX, y: event.clientY, id: event.pointerId, touch, resize: bottom, timer: 0 };
  if (touch) pressed.timer = setTimeout(() => startDrag(pressed), HOLD_MILLISECONDS);
});

window.addEventListener("pointermove", (event) => {
  if (drag && event.pointerId === drag.id) {
    drag.x = event.clientX;
    drag.y = event.clientY;
    drag.fine = event.shiftKey;
    if (!drag.frame) drag.frame = requestAnimationFrame(paint);
    return;
  }
  if (!pressed || event.pointerId !== pressed.id) return;
  const far = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y);
  if (pressed.touch && far > 8) release();
  else if (!pressed.touch && far > 5) startDrag(pressed, event);
});

window.addEventListener("pointerup", (event) => {
  if (drag && event.pointerId === drag.id) finishDrag();
  else release();
});
window.addEventListener("pointercancel", () => {
  release();
  if (drag) leaveDrag();
});
// A finger that drags doesn't scroll.
scroll.addEventListener("touchmove", (event) => { if (drag) event.preventDefault(); }, { passive: false });
scroll.addEventListener("contextmenu", (event) => { if (drag || pressed?.touch) event.preventDefault(); });

function release() {
  clearTimeout(pressed?.timer);
  pressed = null;
}

function startDrag(from, event = null) {
  clearTimeout(from.timer);
  pressed = null;
  const { visit } = from;
  if (!visit.isConnected) return;
  if (!("movable" in visit.dataset)) {
    tell(word("fixed"));
    return;
  }
  choose(visit, { focus: false });
  const mine = beginPlacing(visit, { show: paintAgain, resizing: from.resize });
  const box = visit.getBoundingClientRect();
  const view = scroll.getBoundingClientRect();
  const boxes = mine.columns.map((column) => column.ground.getBoundingClientRect());
  const ghost = visit.cloneNode(true);
  ghost.removeAttribute("id");
  ghost.className = from.resize ? "v ghost resized" : "v ghost";
  ghost.style.width = `${box.width}px`;
  ghost.style.height = `${box.height}px`;
  const at = document.createElement("span");
  at.className = "at";
  ghost.prepend(at);
  root.append(ghost);
  root.classList.add("is-dragging");
  drag = {
    id: from.id, ghost, at, boxes, view, mine, resize: from.resize, fine: false, frame: 0,
    x: event?.clientX ?? from.x, y: event?.clientY ?? from.y,
    grip: from.y - box.top, height: box.height, row: boxes[0].height / mine.columns[0].rows,
    top0: scroll.scrollTop, left0: scroll.scrollLeft, top: scroll.scrollTop, left: scroll.scrollLeft,
    x0: from.x, y0: from.y,
    mostTop: scroll.scrollHeight - scroll.clientHeight, mostLeft: scroll.scrollWidth - scroll.clientWidth,
    column: mine.columns.indexOf(mine.own), rowAt: mine.cell - mine.own.cell0, last: "",
  };
  drag.frame = requestAnimationFrame(paint);
}

function paint() {
  if (!drag) return;
  drag.frame = 0;
  const { mine, boxes, row, view } = drag;
  scrollNearEdges(view);
  const dx = drag.left0 - drag.left;
  const dy = drag.top0 - drag.top;
  if (drag.resize) {
    setLength(mine, Math.round((drag.y - drag.y0 - dy) / row));
    mine.at = mine.cell;
    drag.ghost.style.height = `${drag.height + mine.longer * row}px`;
  } else {
    const found = boxes.findIndex((box) => drag.x >= box.left + dx && drag.x < box.right + dx);
    if (found >= 0) drag.column = found;
    const column = mine.columns[drag.column];
    const step = drag.fine ? 1 : Number(root.dataset.step);
    const exact = (drag.y - drag.grip - boxes[drag.column].top - dy) / row;
    drag.rowAt = Math.min(Math.max(Math.round(exact / step) * step, 0), column.rows - 1);
    mine.column = column;
    mine.at = column.cell0 + drag.rowAt;
  }
  const box = boxes[drag.column];
  drag.ghost.style.transform = `translate(${Math.round(box.left + dx) + 2}px, ${Math.round(box.top + dy + drag.rowAt * row)}px)`;
  const place = `${drag.column} ${mine.at} ${mine.longer} ${mine.answers.size}`;
  if (place !== drag.last) {
    drag.last = place;
    const verdict = sayPlace(mine.column, mine.at);
    drag.ghost.classList.toggle("bad", verdict === "taken");
    drag.ghost.classList.toggle("reasoned", takesReason(verdict));
    drag.at.textContent = timeOf(mine.at);
  }
}

// Once it is known whether the visit can be where it is.
function paintAgain() {
  if (!drag) return;
  drag.last = "";
  if (!drag.frame) drag.frame = requestAnimationFrame(paint);
}

// Near an edge the board goes on scrolling, the faster the nearer, once the pointer has gone towards it: a visit may have been
// taken there. Where it stands is counted, not measured.
function scrollNearEdges(view) {
  const pace = (place, from, low, high) => {
    const beyond = place < from ? Math.min(place - low - NEAR_EDGE, 0) : Math.max(place - high + NEAR_EDGE, 0);
    const fastest = drag.resize ? FASTEST_RESIZING : FASTEST;
    return Math.abs(place - from) < FAR_ENOUGH ? 0 : Math.round(Math.min(Math.max(beyond / NEAR_EDGE, -1), 1) * fastest);
  };
  const down = pace(drag.y, drag.y0, view.top + 20, view.bottom);
  const right = drag.resize ? 0 : pace(drag.x, drag.x0, view.left + 40, view.right);
  const top = Math.min(Math.max(drag.top + down, 0), drag.mostTop);
  const left = Math.min(Math.max(drag.left + right, 0), drag.mostLeft);
  if (top === drag.top && left === drag.left) return;
  drag.top = top;
  drag.left = left;
  scroll.scrollTo(left, top);
  drag.frame = requestAnimationFrame(paint);
}

async function finishDrag() {
  const { mine, ghost } = drag;
  cancelAnimationFrame(drag.frame);
  paint();
  cancelAnimationFrame(drag.frame);
  const { column, at } = mine;
  drag = null;
  root.classList.remove("is-dragging");
  // The click that follows a drag opens nothing.
  window.addEventListener("click", noClick, { capture: true, once: true });
  setTimeout(() => window.removeEventListener("click", noClick, { capture: true }), 50);
  if (judge(column, at) === "taken") {
    ghost.remove();
    const { words, other } = await why(column, at, mine);
    const said = placeWords(column, at, mine);
    endPlacing();
    tell(`${said} – ${besides(column, words.join(" ")) || word("taken")} ${word("left")}`);
    if (other) await tellRefusal({ title: word("cannot"), advice: words.join(" "), other }, mine.name);
    return;
  }
  try {
    await drop(column, at);
  } finally {
    ghost.remove();
  }
}

function leaveDrag() {
  cancelAnimationFrame(drag.frame);
  drag.ghost.remove();
  drag = null;
  root.classList.remove("is-dragging");
  endPlacing();
}

function noClick(event) {
  event.preventDefault();
  event.stopPropagation();
}
