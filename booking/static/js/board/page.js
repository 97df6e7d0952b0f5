// The page that a board lies on, and the words that it speaks. All of the board's scripts are one module, joined from
// these files at start-up. Without them the board is a page of links.

const root = document.querySelector("[data-desk]");
const scroll = root.querySelector("[data-scroll]");
const doing = root.querySelector("[data-doing]");
const words = root.querySelector("template[data-words]").content;
const clock = new Intl.DateTimeFormat(document.documentElement.lang || "en", {
  timeZone: root.dataset.zone, hour: "numeric", minute: "2-digit",
});

// A word of the page's language, with facts in it.
function word(name, facts = {}) {
  let said = words.querySelector(`[data-word="${name}"]`).textContent;
  for (const [fact, value] of Object.entries(facts)) said = said.replace(`{${fact}}`, value);
  return said;
}

// A cell as the clock on the clinic's wall shows it, as on the rest of the page.
function timeOf(cell) {
  return clock.format(new Date(cell * 300_000)).replace("AM", "am").replace("PM", "pm").replace(/\s/, " ");
}

// What is going on, in the line above the board. What one did oneself gives way to the day's figures with the next key or press,
// since it was read by then; what came by itself after a while, unless it `stays`.
const TOLD_FOR = 30_000;
const JUST_TOLD = 10_000;
let telling = 0;
let told = { text: "", at: 0 };
let news = { text: "", stays: false };

function tell(text) {
  told = { text, at: performance.now() };
  news = { text: "", stays: false };
  show(text, false);
}

// What comes by itself, such as a colleague's change, stands behind what was told just now: nobody has read that yet.
function tellNews(text, { stays = false } = {}) {
  const unread = performance.now() - told.at < JUST_TOLD ? told.text : "";
  news = { text, stays };
  show(`${unread} ${text}`.trim(), stays);
}

function tellNoMore() {
  if (placing || dialogIsOpen() || !told.text) return;
  told.text = "";
  show(news.text, news.stays);
}
document.addEventListener("pointerdown", tellNoMore, { capture: true });
document.addEventListener("keydown", (event) => {
  if (!["Shift", "Control", "Alt", "Meta"].includes(event.key)) tellNoMore();
}, { capture: true });

function show(text, stays) {
  if (doing.textContent !== text) doing.textContent = text;
  clearTimeout(telling);
  if (text && !stays) telling = setTimeout(() => { if (!placing) tell(""); }, TOLD_FOR);
}

function isTyping(target) {
  return target.closest("input, select, textarea, [contenteditable]") !== null;
}

function dialogIsOpen() {
  return document.querySelector("dialog[open]") !== null;
}
