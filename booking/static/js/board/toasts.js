// What was done last, to whose visit, with a way back: in a live region below the board, over nothing. It stays for half a
// minute at least; while it is pointed at or has the focus, and while nobody sees the page, time stands still.

const toasts = document.querySelector(".toasts");
const TOAST_SECONDS = 30;

// `name`: whose visit it was. `back`: the address that takes it back.
function toast(text, { name = "", back = null, bad = false } = {}) {
  const line = document.createElement("div");
  line.className = bad ? "board-toast bad" : "board-toast";
  const said = document.createElement("p");
  said.textContent = text.includes(name) ? text : `${name}: ${text}`;
  line.append(said);
  if (back) {
    line.dataset.back = back;
    remember(back, name);
    line.append(button(`${word("undo")} (U)`, () => undo(back)));
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
// whoever signs in next in the same window takes back nothing of it. Whose visit it was is known to this page alone:
// nothing of a patient is kept in the browser.
const SHELF = `what U takes back, for ${root.dataset.account}`;
const whose = new Map();

function remembered() {
  return JSON.parse(sessionStorage.getItem(SHELF) ?? "[]");
}

function remember(back, name) {
  whose.set(back, name);
  sessionStorage.setItem(SHELF, JSON.stringify([...remembered().filter((one) => one !== back), back].slice(-20)));
}

function forget(back) {
  sessionStorage.setItem(SHELF, JSON.stringify(remembered().filter((one) => one !== back)));
  for (const line of toasts.querySelectorAll(".board-toast")) if (line.dataset.back === back) takeAway(line);
}

async function undo(back = remembered().at(-1)) {
  if (!back) {
    toast(word("nothing"), { bad: true });
    return;
  }
  const name = whose.get(back) ?? "";
  // As the form of a page says it.
  const answer = await send(back, { do: "back", outcome: "back" });
  // Whatever else came of it, such as a line that broke: it isn't taken back yet, and U tries it again.
  if (answer.ok || [404, 409, 422].includes(answer.status)) forget(back);
  if (!answer.ok) return refused(answer);
  toast(answer.says || word("undone"), { name });
  await refresh();
  // What is no part of the visit itself, such as a task, doesn't change its version.
  if (shown && !answer.version && mayBeRedrawn()) await openPanel(shown.reference, { focus: false });
}
