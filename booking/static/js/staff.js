// The lock of staff pages. After a time without key or tap nothing of a patient stays on the screen; what was typed into
// a form is kept by the server first, and put back once the same person has opened the screen again.

// What a page wants typed into has the focus before the first key: the browser itself waits until it has drawn the page.
const awaited = document.querySelector("[autofocus]:not(dialog *)");
if (awaited && !location.hash && document.activeElement === document.body) awaited.focus();

const LOCKED = "/staff/locked";
const DRAFTS = "/staff/drafts";
const TOLD_EVERY = 60_000;
// What forms say by themselves.
const NOT_TYPED = new Set(["key", "version", "next", "times_for", "now_with", "q", "day", "cell", "not", "shown"]);
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

// The page on which a form can be had again: one that was refused stands at an address that only takes forms.
function pageOf(form) {
  return form?.dataset.page ?? here();
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

function forms() {
  return [...document.querySelectorAll("form[method='post']")].filter(
    (form) => !form.querySelector("input[type='password'], input[name='code']") && !form.hasAttribute("data-no-draft"),
  );
}

function addressOf(form) {
  const url = new URL(form.getAttribute("action") || here(), window.location.href);
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

function typed() {
  return forms().filter((form) => changed(form) || form.dataset.refilled).map((form) => ({
    path: addressOf(form),
    page: pageOf(form),
    fields: [...new FormData(form)].filter(([, value]) => typeof value === "string"),
  }));
}

// Puts what was kept back into its form, as far as the page has it, where it is typed text again and no longer a draft; of
// the rest it says where it is.
async function putBack() {
  if (window.location.hash !== "#kept") return;
  window.history.replaceState(null, "", here());
  const answer = await reach(DRAFTS, { headers: { Accept: "application/json", "X-Poll": "1" } });
  if (!answer.ok) return;
  let first = null;
  let back = false;
  let elsewhere = false;
  for (const draft of await answer.json()) {
    const form = formOf(draft);
    if (form) {
      first = fill(form, draft) ?? first;
      back = true;
    }
    if (form && holds(form, draft)) post(`${DRAFTS}/${draft.number}/forget`).catch(() => {});
    else elsewhere = true;
  }
  if (first) first.focus();
  const words = document.documentElement.dataset;
  if (back) say(words.backWords);
  if (elsewhere) say(words.keptWords, DRAFTS);
}

// Of several forms at one address the one with most of its fields; none that is about another patient.
function formOf(draft) {
  const said = new Map(draft.fields);
  const isAbout = (form, name) => (form.querySelector(`input[type="hidden"][name="${name}"]`)?.value ?? "") === (said.get(name) ?? "");
  const known = (form) => draft.fields.filter(([name]) => form.elements.namedItem(name)).length;
  return forms()
    .filter((form) => addressOf(form) === draft.path && ["patient", "new"].every((name) => isAbout(form, name)))
    .sort((one, other) => known(other) - known(one))[0];
}

// Whether all that was typed has a place there.
function holds(form, draft) {
  return draft.fields.every(([name, value]) => !value || NOT_TYPED.has(name) || form.elements.namedItem(name));
}

function fill(form, draft) {
  const values = new Map();
  for (const [name, value] of draft.fields) values.set(name, [...(values.get(name) ?? []), value]);
  let first = null;
  for (const field of form.elements) {
    if (!field.name || field.type === "submit" || ["csrf_token", "version", "times_for"].includes(field.name)) continue;
    const kept = values.get(field.name) ?? [];
    if (field.type === "checkbox" || field.type === "radio") field.checked = kept.includes(field.value);
    else if (kept.length) {
      if (field.type !== "hidden" && field.value !== kept[0]) first = first ?? field;
      field.value = kept[0];
    }
  }
  form.dataset.refilled = "yes";
  // Times that depend on what was chosen are asked for once more, with the one that was chosen.
  form.dataset.chosenTime = values.get("time")?.[0] ?? "";
  form.dispatchEvent(new Event("refilled"));
  return first;
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

// With `lock`, the address at which the server is told to lock the screen now: what is typed is kept before that.
function leave(lock = "") {
  if (locking) return;
  locking = true;
  const forms = typed();
  const page = pageOf(document.querySelector("form[data-page]"));
  // At once, before anything is sent: whoever looks at the screen sees nothing.
  document.body.replaceChildren();
  document.title = "";
  const go = () => window.location.replace(`${LOCKED}?next=${encodeURIComponent(page)}`);
  const kept = post(DRAFTS, forms).catch(() => null);
  (lock ? kept.then(() => post(lock)) : kept).then(go, go);
  // A network that is gone must not leave an empty page for ever.
  window.setTimeout(go, 5000);
}

function look() {
  if (!locking && after && Date.now() - Math.max(active, shared()) >= after) leave();
}

document.querySelector("form[data-lock]")?.addEventListener("submit", (event) => {
  event.preventDefault();
  leave(event.target.action);
});
for (const kind of ["keydown", "pointerdown", "submit"]) {
  document.addEventListener(kind, noteActivity, { capture: true, passive: true });
}
window.setInterval(look, 1000);
document.addEventListener("visibilitychange", look);
window.addEventListener("pageshow", look);

// A page that finds out by a poll of its own that the screen is locked leaves as well.
window.fetch = async (...asked) => {
  const answer = await reach(...asked);
  if (answer.status === 423 || answer.status === 401) leave();
  return answer;
};
document.addEventListener("htmx:responseError", (event) => {
  if ([401, 423].includes(event.detail.xhr.status)) leave();
});

share();
putBack();
