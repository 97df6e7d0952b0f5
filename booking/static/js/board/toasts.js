// What was done last, to whose visit, with a way back: in a live region below the board, over nothing. It stays for half a
// minute at least; while it is pointed at or has the focus, and while nobody sees the page, time stands still.

const toasts = document.querySelector(".toasts");
const TOAST_SECONDS = 30;

// `name`: whose visit it was. `back`: the address that takes it back; `before`: the one that takes back what was done before
// something that is taken back by now. `makeUp`: where the times stand that make up for what was missed.
function toast(text, { name = "", back = null, before = null, makeUp = null, bad = false } = {}) {
  const line = document.createElement("div");
  line.className = bad ? "board-toast bad" : "board-toast";
  const said = document.createElement("p");
  said.textContent = text.includes(name) ? text : `${name}: ${text}`;
  line.append(said);
  if (makeUp) {
    const there = document.createElement("a");
    there.href = makeUp;
    there.textContent = word("make-up");
    said.append(" ", there);
  }
  if (back) {
    line.dataset.back = back;
    remember(back, name);
    line.append(button(`${word("undo")} (U)`, () => undo(back)));
  } else if (before) {
    const what = [word("before"), doings.get(before).name].filter(Boolean).join(": ");
    line.append(button(`${what} (U)`, () => undo(before)));
  }
  line.append(button(word("read"), () => takeAway(line)));
  for (const old of toasts.querySelectorAll(".board-toast")) takeAway(old);
  toasts.append(line);
  let left = TOAST_SECONDS;
  const ticking = setInterval(() => {
    if (line.isConnected && (document.hidden || line.matches(":hover, :focus-within"))) return;
    left -= 1;
    if (line.isConnected && left > 0) return;
    clearInterval(ticking);
    line.remove();
  }, 1000);
}

// Who was at its buttons goes on at the board.
function takeAway(line) {
  const focused = line.contains(document.activeElement);
  line.remove();
  if (focused) (chosenVisit() ?? scroll).focus({ preventScroll: true });
}

function button(text, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "tool";
  made.textContent = text;
  made.addEventListener("click", action);
  return made;
}

// What somebody did in this window, the latest last: what U takes back, also after a day was turned over. Each their own:
// whoever signs in next in the same window takes back nothing of it. Whose visit it was, and when it was done, is known to
// this page alone: nothing of a patient is kept in the browser.
const SHELF = `what U takes back, for ${root.dataset.account}`;
const NO_LONGER_IN_MIND = 2 * 60_000;
const doings = new Map();

function remembered() {
  return JSON.parse(sessionStorage.getItem(SHELF) ?? "[]");
}

function remember(back, name) {
  doings.set(back, { name, at: Date.now() });
  sessionStorage.setItem(SHELF, JSON.stringify([...remembered().filter((one) => one !== back), back].slice(-20)));
}

function forget(back) {
  sessionStorage.setItem(SHELF, JSON.stringify(remembered().filter((one) => one !== back)));
  for (const line of toasts.querySelectorAll(".board-toast")) if (line.dataset.back === back) takeAway(line);
}

// By U: what was done long ago, or before the page was loaded, is asked about first, since nobody has it in mind.
async function undoLast() {
  const back = remembered().at(-1);
  if (!back) {
    toast(word("nothing"), { bad: true });
    return;
  }
  if (isInMind(back) || await askUndo(back)) await undo(back);
}

function isInMind(back) {
  return Date.now() - (doings.get(back)?.at ?? 0) < NO_LONGER_IN_MIND;
}

// Names whom and what. What can't be taken back any more is said, and only U once more goes on to what was done before.
async function askUndo(back) {
  const element = dialog("undo");
  // A task or a call: what the server knows of it isn't a visit's history.
  const found = /\/undo\/\d+$/.test(back) ? await look(back) : { ok: true, question: word("elsewhere"), note: "" };
  if (dialogIsOpen()) return false;
  if (!found.ok) {
    if (isOver(found)) forget(back);
    await refused(found, found.name);
    return false;
  }
  element.querySelector("[data-what]").textContent = found.question;
  const note = element.querySelector("[data-note]");
  note.textContent = found.note;
  note.hidden = !found.note;
  return Boolean(await ask(element));
}

async function undo(back) {
  const name = doings.get(back)?.name ?? "";
  // As the form of a page says it.
  const answer = await send(back, { do: "back", outcome: "back" });
  // Whatever else came of it, such as a line that broke: it isn't taken back yet, and U tries it again.
  if (answer.ok || isOver(answer)) forget(back);
  if (!answer.ok) return refused(answer, name);
  if (answer.visit) own.set(answer.visit, String(answer.version));
  const before = remembered().at(-1);
  toast(answer.says || word("undone"), { name: answer.visit ? "" : name, before: isInMind(before) ? before : null });
  await refresh();
  const visit = visitOf(answer.visit);
  // It may be far from what one looks at. Who reads or types beside the board goes on there.
  if (visit) choose(visit, { focus: scroll.contains(document.activeElement) });
  // What is no part of the visit itself, such as a task, doesn't change its version.
  if (shown && !answer.version && mayBeRedrawn()) await openPanel(shown.reference, { focus: false });
}

function isOver(answer) {
  return [404, 409, 422].includes(answer.status);
}
