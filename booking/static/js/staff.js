// The lock of staff pages. After a time without key or tap nothing of a patient stays on the screen; what was typed into
// a form is kept by the server first, and put back once the same person has opened the screen again.

// What a page wants typed into has the focus before the first key: the browser itself waits until it has drawn the page.
const awaited = document.querySelector("[autofocus]:not(dialog *)");
if (awaited && !location.hash && document.activeElement === document.body) awaited.focus();

const LOCKED = "/staff/locked";
const DRAFTS = "/staff/drafts";
const TOLD_EVERY = 60_000;
// What forms say by themselves.
const NOT_TYPED = new Set(["key", "version", "next", "times_for", "now_with", "q", "day", "cell", "length", "not", "shown"]);
// Whom and what a form is about: nothing that was typed about another one gets into it, or into one that names none. So it
// is with all else that a form says without showing it, ...
const ABOUT = ["patient", "new", "plan", "template", "visit", "missing", "take", "with", "entry", "further"];
// ... but for what comes anew each time it is drawn, and for what was chosen by buttons or on the page before.
const DRAWN_ANEW = new Set(["csrf_token", "key", "version", "shown", "next", "times_for", "now_with", "not"]);
const isChosen = (name) => name.startsWith("dose-") || ["reminders", "reminded_of"].includes(name);
// What goes with the words: which sending they belong to, and upon what they were typed.
const OF_THE_WORDS = ["key", "version", "shown"];
// Shared by the windows of one browser: when somebody was last active in any of them. No data of anybody.
const SHARED = "staff-active-at";

const after = Number(document.documentElement.dataset.locksAfter) * 1000;
const token = document.querySelector("meta[name='csrf-token']")?.content ?? "";
const reach = window.fetch.bind(window);
let active = Date.now();
let told = Date.now();
let locking = false;

function here() {
  return window.location.pathname + window.location.search;
}

// The page on which a form can be had again: one that was refused stands at an address that only takes forms, and one that
// only asks leads to an address that says all that stands in it. Whom somebody looks for is kept as words: a locked screen's
// address would show the name.
const keepsWords = (form) => form.dataset.keep === "words";
const saysAll = (form) => form?.method === "get" && !keepsWords(form);

function pageOf(form) {
  return saysAll(form) ? addressOf(form) : form?.dataset.page ?? here();
}

function shared() {
  try { return Number(window.localStorage.getItem(SHARED)) || 0; } catch { return 0; }
}

function share() {
  try { window.localStorage.setItem(SHARED, String(active)); } catch { /* Private windows may refuse; each counts for itself. */ }
}

function post(address, body) {
  const headers = { "X-CSRFToken": token, Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return reach(address, { method: "POST", headers, body: body === undefined ? undefined : JSON.stringify(body), keepalive: true });
}

// What counts: keys, taps and forms. Not what a page asks for by itself.
function noteActivity() {
  const now = Date.now();
  if (locking || now - Math.max(active, shared()) >= after) return;
  active = now;
  share();
  if (now - told < TOLD_EVERY) return;
  told = now;
  post("/staff/active").then((answer) => { if ([401, 423].includes(answer.status)) leave(); }, () => {});
}

// Drafts

// Those that send something; others say that they are to be kept.
function forms() {
  return [...document.querySelectorAll("form[method='post'], form[data-keep]")].filter(
    (form) => !form.querySelector("input[type='password'], input[name='code']") && !form.hasAttribute("data-no-draft"),
  );
}

function addressOf(form) {
  const url = new URL(form.getAttribute("action") || here(), window.location.href);
  if (saysAll(form)) url.search = new URLSearchParams(new FormData(form));
  return url.pathname + url.search;
}

function changed(form) {
  return [...form.elements].some((field) => {
    if (!field.name || field.type === "hidden" || field.type === "submit") return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.options) {
      const chosen = [...field.options].some((option) => option.defaultSelected);
      return [...field.options].some((option, place) => option.selected !== (chosen ? option.defaultSelected : place === 0));
    }
    return field.value !== field.defaultValue;
  });
}

// The forms with something in them, also those that a part of the page has put away.
function typed() {
  const away = [];
  document.dispatchEvent(new CustomEvent("locking", { detail: away }));
  return [...forms(), ...away].filter((form) => changed(form) || form.dataset.refilled);
}

function draftOf(form) {
  const fields = [...new FormData(form)].filter(([, value]) => typeof value === "string");
  return { path: addressOf(form), page: pageOf(form), fields };
}

let waiting = []; // What was kept and isn't back yet.
const given = new Set(); // What the forms are about that got something back.

async function putBack() {
  if (window.location.hash !== "#kept") return;
  window.history.replaceState(null, "", here());
  const answer = await reach(DRAFTS, { headers: { Accept: "application/json", "X-Poll": "1" } });
  if (!answer.ok) return;
  waiting = await answer.json();
  // A visit that is still to be shown beside the board says so once it is.
  if (!document.querySelector("[data-panel][hidden]") || !new URLSearchParams(window.location.search).has("visit")) giveBack();
}

// Puts what was kept back into its form, as far as the page has it by now, where it is typed text again and no longer a
// draft; of the rest it says where it is. Of two drafts for one form it gets the newer one.
function giveBack() {
  if (!waiting.length) return;
  let first = null;
  let back = false;
  waiting = waiting.filter((draft) => {
    // What a form asked for, its page says.
    const asked = draft.asks && draft.path === here();
    const found = asked ? null : formOf(draft);
    const form = found && !given.has(nameOf(found)) ? found : null;
    const written = form ? fill(form, draft) : [];
    const words = written.filter((field) => !isBox(field));
    first ??= words[0];
    if (form) given.add(nameOf(form));
    // A question that is asked again on its own page is answered there again.
    const whole = asked || Boolean(form && holds(form, draft, words.length > 0 || "onlyHere" in form.dataset));
    back ||= whole || written.length > 0;
    if (whole) post(`${DRAFTS}/${draft.number}/forget`).catch(() => {});
    return !whole;
  });
  if (first) first.focus();
  const words = document.documentElement.dataset;
  if (back) say(words.backWords);
  const told = document.querySelector(`.toasts [href="${DRAFTS}"]`);
  if (!waiting.length) told?.parentElement.remove();
  else if (!told) say(words.keptWords, DRAFTS);
}
document.addEventListener("shown", giveBack);

function said(draft, name) {
  return draft.fields.filter(([one]) => one === name).map(([, value]) => value).join(" ");
}

function aboutOf(form) {
  const about = new Map(ABOUT.map((name) => [name, []]));
  for (const { type, name, value } of form.elements) {
    if (type === "hidden" && !DRAWN_ANEW.has(name) && !isChosen(name)) about.set(name, [...(about.get(name) ?? []), value]);
  }
  return new Map([...about].map(([name, values]) => [name, values.join(" ")]));
}

function nameOf(form) {
  return JSON.stringify([addressOf(form), ...aboutOf(form)]);
}

// Where a person sees what stands there.
function isSeen(field) {
  return field.name && !["hidden", "submit", "button", "fieldset"].includes(field.type);
}

function isBox(field) {
  return field.type === "checkbox" || field.type === "radio";
}

// Of several forms at one address the one with most of its fields.
function formOf(draft) {
  const known = (form) => draft.fields.filter(([name]) => form.elements.namedItem(name)).length;
  return forms().filter((form) => isFor(form, draft) && shows(form, draft)).sort((one, other) => known(other) - known(one))[0];
}

function isSearch(draft) {
  const names = draft.fields.map(([name]) => name);
  return names.includes("q") && !names.includes("key");
}

// None that is about something else, and none that says on its page alone what its words are for.
function isFor(form, draft) {
  if (keepsWords(form) !== isSearch(draft)) return false;
  if (addressOf(form) !== draft.path || ("onlyHere" in form.dataset && draft.page !== here())) return false;
  const says = new Set([...ABOUT, ...draft.fields.map(([name]) => name)]);
  return [...aboutOf(form)].every(([name, value]) => !says.has(name) || value === said(draft, name));
}

// Whether anything of it is to be seen there. A form that is only a button shows nothing of its press.
function shows(form, draft) {
  if (keepsWords(form) || "onlyHere" in form.dataset) return true;
  const typed = draft.fields.filter(([name, value]) => value && !NOT_TYPED.has(name)).map(([name]) => name);
  const seen = [...form.elements].filter(isSeen);
  if (seen.some(({ name }) => typed.includes(name))) return true;
  const unticks = seen.some((field) => field.type === "checkbox" && field.checked);
  return unticks && typed.every((name) => form.elements.namedItem(name));
}

// Whether all of it stands there now: a line that the page doesn't have yet doesn't, nor a choice that is no longer offered.
// Beside `words` that are back a button is pressed again.
function holds(form, draft, words) {
  const plain = (name, value) => `${name} ${String(value).replace(/\r\n?/g, "\n")}`;
  const stands = [...new FormData(form)].map(([name, value]) => plain(name, value));
  return draft.fields.every(([name, value]) => {
    if (!value || NOT_TYPED.has(name)) return true;
    const at = stands.indexOf(plain(name, value));
    if (at >= 0) stands.splice(at, 1);
    // A time that is asked for once more is told where it is gone.
    else if (name !== "time" || !("follow" in form.dataset)) return words && form.querySelector(`button[name="${CSS.escape(name)}"]`) !== null;
    return true;
  });
}

// Returns what shows it, where that stood otherwise.
function fill(form, draft) {
  const values = new Map();
  for (const [name, value] of draft.fields) values.set(name, [...(values.get(name) ?? []), value]);
  const written = [];
  for (const field of form.elements) {
    const kept = values.get(field.name) ?? [];
    const stood = isBox(field) ? field.checked : field.value;
    if (isBox(field)) field.checked = kept.includes(field.value);
    else if (kept.length && (isSeen(field) || OF_THE_WORDS.includes(field.name) || isChosen(field.name))) {
      // Fields of one name, such as those of several lines, each have their own.
      const value = kept.shift();
      if (!field.options || [...field.options].some((option) => option.value === value)) field.value = value;
    }
    if (stood === (isBox(field) ? field.checked : field.value)) continue;
    if (isSeen(field)) {
      written.push(field);
      field.closest("details")?.setAttribute("open", "");
    } else if (field.name === "version") form.dataset.version = field.value;
  }
  form.dataset.refilled = "yes";
  // Times that depend on what was chosen are asked for once more, with the one that was chosen.
  form.dataset.chosenTime = said(draft, "time");
  form.dispatchEvent(new Event("refilled"));
  return written;
}

// With an address, the words lead there; else they go once somebody types on.
function say(words, address = "") {
  const place = document.querySelector(".toasts");
  if (!place || !words) return;
  const note = document.createElement("p");
  note.className = "toast";
  const said = address ? document.createElement("a") : note;
  if (address) said.href = address;
  said.textContent = words;
  if (address) note.append(said);
  else document.addEventListener("input", () => note.remove(), { once: true });
  place.append(note);
}

// Locking

// With `lock`, the address at which the server is told to lock the screen now: what is typed is kept before that. `asked`: the
// page that asks anew for what was sent just now, and came too late.
function leave({ lock = "", asked = "" } = {}) {
  if (locking) return;
  locking = true;
  const left = typed();
  const drafts = left.map(draftOf);
  const page = asked || pageOf(left.find(saysAll) ?? document.querySelector("form[data-page]"));
  // At once, before anything is sent: whoever looks at the screen sees nothing.
  document.body.replaceChildren();
  document.title = "";
  const go = () => window.location.replace(`${LOCKED}?next=${encodeURIComponent(page)}`);
  const kept = post(DRAFTS, drafts).catch(() => null);
  (lock ? kept.then(() => post(lock)) : kept).then(go, go);
  // A network that is gone must not leave an empty page for ever.
  window.setTimeout(go, 5000);
}

function look() {
  if (!locking && after && Date.now() - Math.max(active, shared()) >= after) leave();
}

document.querySelector("form[data-lock]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  leave({ lock: event.target.action });
});
for (const kind of ["keydown", "pointerdown", "submit"]) {
  document.addEventListener(kind, noteActivity, { capture: true, passive: true });
}
window.setInterval(look, 1000);
document.addEventListener("visibilitychange", look);
window.addEventListener("pageshow", look);

// A page that finds out by a poll of its own that the screen is locked leaves as well; whatever asked does nothing more.
window.fetch = async (...asked) => {
  const answer = await reach(...asked);
  if (answer.status !== 423 && answer.status !== 401) return answer;
  leave({ asked: asked[1]?.headers?.["X-Page"] });
  return new Promise(() => {});
};
document.addEventListener("htmx:responseError", (event) => {
  if ([401, 423].includes(event.detail.xhr.status)) leave();
});

share();
putBack();
