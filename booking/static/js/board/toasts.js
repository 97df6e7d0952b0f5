// What was done, with a way back. It stays until it is read, in a live region below the board, over nothing.

const toasts = document.querySelector(".toasts");
const TOASTS_AT_MOST = 2;

function toast(text, { entry = null, bad = false } = {}) {
  const line = document.createElement("div");
  line.className = bad ? "board-toast bad" : "board-toast";
  const said = document.createElement("p");
  said.textContent = text;
  line.append(said);
  if (entry) line.append(button(`${word("undo")} (U)`, () => { line.remove(); undo(entry); }));
  line.append(button(word("read"), () => line.remove()));
  if (entry) {
    line.dataset.entry = entry;
    remember(entry);
  }
  while (toasts.querySelectorAll(".board-toast").length >= TOASTS_AT_MOST) toasts.querySelector(".board-toast").remove();
  toasts.append(line);
}

function button(text, action) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "tool";
  made.textContent = text;
  made.addEventListener("click", action);
  return made;
}

// What somebody did in this window, the latest last: what U takes back also after a day was turned over. Each their own:
// whoever signs in next in the same window takes back nothing of it.
const SHELF = `done ${root.dataset.account}`;

function remembered() {
  return JSON.parse(sessionStorage.getItem(SHELF) ?? "[]");
}

function remember(entry) {
  sessionStorage.setItem(SHELF, JSON.stringify([...remembered().filter((one) => one !== entry), entry].slice(-20)));
}

function forget(entry) {
  sessionStorage.setItem(SHELF, JSON.stringify(remembered().filter((one) => one !== entry)));
  toasts.querySelector(`[data-entry="${entry}"]`)?.remove();
}

async function undo(entry = remembered().at(-1)) {
  if (!entry) {
    toast(word("nothing"), { bad: true });
    return;
  }
  const answer = await send(`/desk/undo/${entry}`, {});
  if (answer.ok || answer.status < 500) forget(entry);
  if (!answer.ok) return refused(answer);
  toast(answer.says || word("undone"));
  await refresh();
}
