// The locked page asks by itself where needles are in. That opens nothing, and keeps nothing open.

const needles = document.getElementById("needles");
const say = document.querySelector("[data-say]");
const stale = document.querySelector("[data-stale]");
const words = needles.dataset;
const EVERY = 10_000;
let looking = false;

function over() {
  return [...needles.querySelectorAll("[data-over]")].map((one) => one.dataset.over);
}

function replace(fragment) {
  const before = over();
  const page = new DOMParser().parseFromString(fragment, "text/html");
  needles.replaceChildren(...page.body.childNodes);
  if (over().some((one) => !before.includes(one))) say.textContent = words.wordsOver;
}

async function look() {
  if (looking || document.hidden) return;
  looking = true;
  try {
    const answer = await fetch(words.address, { headers: { "X-Poll": "1" }, cache: "no-store", redirect: "manual" });
    if (answer.status === 200) replace(await answer.text());
    // Opened in another window, or signed out: the page itself leads on.
    else if (answer.type === "opaqueredirect" || answer.status < 500) window.location.replace(words.address);
    else throw new Error(String(answer.status));
    needles.classList.remove("stale");
    stale.textContent = "";
  } catch {
    if (!stale.textContent) stale.textContent = words.wordsStale;
    needles.classList.add("stale");
  }
  looking = false;
}

window.setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
