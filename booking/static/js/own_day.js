// The practitioner's day looks for news by itself and marks what has changed since it was last looked at.
// Without this script the page is the same; only it has to be loaded again.

const day = document.getElementById("own-day");
const words = day.dataset;
const news = document.querySelector("[data-news]");
const say = document.querySelector("[data-say]");
const stale = document.querySelector("[data-stale]");
const EVERY = 8000;
const SHELF = `own-day ${words.account}`;

let etag = words.etag;
let looking = false;

// A tap that was refused shows the day at the tap's own address. From here on it is the day's: that is asked for news, loaded
// anew, and opened again once the screen was locked, and nothing is sent a second time.
if (window.location.pathname !== words.address) window.history.replaceState(null, "", words.address);

// What was looked at: versions by visit, of one day. Nothing of a patient is kept in it.
function looked() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(SHELF));
    return kept && kept.on === words.on ? kept.visits : null;
  } catch {
    return null;
  }
}

function shown() {
  const visits = {};
  for (const one of day.querySelectorAll("[data-visit]")) visits[one.dataset.visit] = one.dataset.version;
  return visits;
}

function remember(visits) {
  try {
    sessionStorage.setItem(SHELF, JSON.stringify({ on: words.on, visits }));
  } catch {
    // A browser that keeps nothing marks what changes while the page is open.
  }
}

function mark() {
  const before = looked();
  if (!before) {
    remember(shown());
    return;
  }
  let changed = 0;
  for (const one of day.querySelectorAll("[data-visit]")) {
    const known = before[one.dataset.visit];
    if (known === one.dataset.version) continue;
    changed += 1;
    one.classList.add("changed");
    const note = document.createElement("span");
    note.className = "mark news";
    note.textContent = known ? words.wordsChanged : words.wordsNew;
    one.querySelector(".own-name").after(" ", note);
  }
  const gone = Object.keys(before).filter((one) => !(one in shown())).length;
  const told = [];
  if (changed) told.push(changed === 1 ? words.wordsOne : words.wordsMany.replace("{n}", changed));
  if (gone) told.push(words.wordsGone);
  const sentence = told.join(" ");
  const line = news.querySelector("[data-news-words]");
  if (sentence && line.textContent !== sentence) say.textContent = sentence;
  line.textContent = sentence;
  news.hidden = !sentence;
}

function warn(before) {
  const over = [...day.querySelectorAll("[data-overdue]")].map((one) => one.dataset.overdue);
  if (over.some((one) => !before.includes(one))) say.textContent = words.wordsNeedles;
  return over;
}

let over = warn([]);

// What one did oneself, here or on another page, is no news: the page says which versions that has led to.
function adopt() {
  const visits = looked();
  if (!visits) return;
  const now = shown();
  for (const { dataset } of document.querySelectorAll("[data-own]")) {
    if (dataset.own in now) visits[dataset.own] = dataset.version;
    else delete visits[dataset.own];
  }
  remember(visits);
}

news.querySelector("[data-seen]").addEventListener("click", () => {
  remember(shown());
  for (const one of day.querySelectorAll(".mark.news")) one.remove();
  for (const one of day.querySelectorAll(".changed")) one.classList.remove("changed");
  news.hidden = true;
  document.getElementById("main").focus();
});

async function look() {
  if (looking || document.hidden) return;
  looking = true;
  try {
    const answer = await fetch(words.address, {
      headers: { "X-Poll": "1", "If-None-Match": `"${etag}"` },
      cache: "no-store",
      redirect: "manual",
    });
    if (answer.status === 200) {
      replace(await answer.text());
      etag = answer.headers.get("X-Etag");
    } else if (answer.status !== 304) {
      // Locked, signed out or refused: the page itself says what to do.
      if (answer.type === "opaqueredirect" || answer.status < 500) window.location.replace(words.address);
      else throw new Error(String(answer.status));
    }
    day.classList.remove("stale");
    stale.textContent = "";
  } catch {
    if (!stale.textContent) stale.textContent = words.wordsStale;
    day.classList.add("stale");
  }
  looking = false;
}

function replace(fragment) {
  const focused = document.activeElement?.id;
  const at = window.scrollY;
  const page = new DOMParser().parseFromString(fragment, "text/html");
  day.replaceChildren(...page.body.childNodes);
  mark();
  over = warn(over);
  if (focused && day.querySelector(`#${CSS.escape(focused)}`)) document.getElementById(focused).focus({ preventScroll: true });
  window.scrollTo(0, at);
}

adopt();
mark();
setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
