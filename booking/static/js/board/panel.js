// The visit in full, beside the board. Without this it is a page of its own.

const panel = root.querySelector("[data-panel]");
let shown = null; // {reference, version} of the visit in the panel.
let opening = 0; // Counts what was to be shown: an answer that comes after the next wish, or after closing, is too late.
let sending = false; // Whether a form of the panel is on its way.
const drafts = new Map(); // The forms in which something was typed about a visit and isn't kept yet, by its reference.
// Where the panel has no place beside the board it lies on it; on a phone it is all that one sees.
const covers = window.matchMedia("(max-width: 40rem)");

// Whoever types in the panel goes on typing; `sentFrom` is the field by whose Enter a form was sent, if it was one.
async function openPanel(reference, { focus = true, sentFrom = null } = {}) {
  const address = `/desk/visits/${reference}`;
  const mine = ++opening;
  let answer;
  let html;
  try {
    answer = await fetch(`${address}?panel=1`, { headers: { Accept: "text/html" } });
    html = await answer.text();
  } catch {
    answer = null;
  }
  if (mine !== opening) return;
  if (!answer?.ok || answer.redirected) {
    window.location.assign(address);
    return;
  }
  showPanel(reference, html, sentFrom);
  if (focus && !isTypingHere()) {
    const head = panel.querySelector("h1, h2, h3");
    head.tabIndex = -1;
    head.focus({ preventScroll: true });
  }
}

// Puts what the server wrote of a visit into the panel.
function showPanel(reference, html, sentFrom = null) {
  const found = new DOMParser().parseFromString(html, "text/html");
  const visit = visitOf(reference);
  const close = button(`✕ ${word("shut")}`, closePanel);
  close.classList.add("panel-close");
  close.setAttribute("aria-label", word("close"));
  const typing = shown?.reference === reference ? typingAt(sentFrom) : null;
  keepTyped();
  panel.replaceChildren(close, ...found.body.childNodes);
  // What is done on a page of its own leads back to this board.
  for (const link of panel.querySelectorAll("a[data-comes-back]")) link.href += `?${wayBack(reference)}`;
  panel.hidden = false;
  shown = { reference, version: visit?.dataset.version };
  putTypedBack();
  coverBoard();
  choose(visit, { focus: false });
  sayWhere();
  if (typing) goOnTyping(typing);
  document.dispatchEvent(new Event("shown"));
}

function closePanel() {
  opening += 1;
  keepTyped();
  panel.hidden = true;
  panel.replaceChildren();
  shown = null;
  coverBoard();
  if (window.history.state?.covered) window.history.back();
  else sayWhere();
  (chosenVisit() ?? scroll).focus();
}

// What can't be seen below the panel can't have the focus either.
function coverBoard() {
  for (const below of [document.querySelector(".bar"), ...root.querySelectorAll(".tools, .standing"), scroll]) below.inert = shown !== null && covers.matches;
}
covers.addEventListener("change", coverBoard);

// For forms on pages of their own: where to go on when they are done.
function wayBack(reference = chosen) {
  const address = new URL(root.dataset.here, window.location.href);
  address.searchParams.set("visit", reference);
  return new URLSearchParams({ next: address.pathname + address.search });
}

// The address says what one sees, so that it can be kept and shared. Where the visit covers the board, back uncovers it.
function sayWhere() {
  const address = new URL(root.dataset.here, window.location.href);
  if (shown) address.searchParams.set("visit", shown.reference);
  if (shown && covers.matches && !window.history.state?.covered) window.history.pushState({ covered: true }, "", address);
  else window.history.replaceState(window.history.state, "", address);
}

window.addEventListener("popstate", () => {
  const wanted = new URL(window.location.href).searchParams.get("visit");
  if (shown && !window.history.state?.covered) closePanel();
  else if (!shown && window.history.state?.covered && wanted) openPanel(wanted);
  else sayWhere();
});

// A change that isn't ours, or a status by key: the panel says so too.
function panelMayBeOld() {
  if (!shown || sending || visitOf(shown.reference)?.dataset.version === shown.version) return;
  if (mayBeRedrawn()) openPanel(shown.reference, { focus: panel.contains(document.activeElement) });
}

// Not while somebody is typing in it, or reads why something was refused.
function mayBeRedrawn() {
  return !isTypingHere() && !panel.querySelector("[role=alert]");
}

function isTypingHere() {
  return panel.contains(document.activeElement) && isTyping(document.activeElement);
}

// The field that somebody types in, and where in it: but not one that was sent and not touched since.
function typingAt(sentFrom) {
  const field = document.activeElement;
  if (!isTypingHere() || (field === sentFrom && field.value === field.defaultValue)) return null;
  const { id, selectionStart, selectionEnd, selectionDirection, scrollTop } = field;
  return { id, selection: [selectionStart, selectionEnd, selectionDirection], scrollTop };
}

function goOnTyping({ id, selection, scrollTop }) {
  const field = panel.querySelector(`#${CSS.escape(id)}`);
  if (!field) return;
  field.closest("details")?.setAttribute("open", "");
  field.focus({ preventScroll: true });
  if (field.setSelectionRange) field.setSelectionRange(...selection);
  field.scrollTop = scrollTop;
}

function fieldsOf(form) {
  return [...form.querySelectorAll("textarea, input[type=text], select")];
}

function isTypedIn(form) {
  return fieldsOf(form).some((field) => !field.options && field.value !== field.defaultValue);
}

// Puts away forms of the panel that weren't sent: what stands in them isn't to be lost when the panel is drawn anew.
function keepTyped() {
  if (!shown) return;
  const typed = [...panel.querySelectorAll("form")].filter((form) => isTypedIn(form) || form.dataset.refilled);
  for (const form of typed) form.dataset.page = wayBack(shown.reference).get("next");
  const away = [...placeless(shown.reference), ...typed];
  if (away.length) drafts.set(shown.reference, away);
  else drafts.delete(shown.reference);
}

// What has no place in a visit's panel as it stands now, such as the reason for a correction that a colleague made.
function placeless(reference) {
  const forms = drafts.get(reference) ?? [];
  if (reference !== shown?.reference) return forms;
  return forms.filter((form) => !fieldsOf(form).some(({ id }) => panel.querySelector(`#${CSS.escape(id)}`)));
}

// Where a colleague changed the same field meanwhile, the form stays one of the old version: it is refused, and shows both.
// So does one that was given back after the lock upon an older version: what stood there then isn't known.
function putTypedBack() {
  for (const form of drafts.get(shown.reference) ?? []) {
    const version = form.elements.version?.value;
    const { refilled, version: older } = form.dataset;
    for (const { id, value, defaultValue } of fieldsOf(form)) {
      const field = panel.querySelector(`#${CSS.escape(id)}`);
      if (!field || (field.options && ![...field.options].some((one) => one.value === value))) continue;
      // The server keeps no blanks around it.
      const isOld = older || (!field.options && field.defaultValue.trim() !== defaultValue.trim());
      if (isOld && field.form.elements.version) field.form.elements.version.value = version;
      Object.assign(field.form.dataset, refilled && { refilled }, older && { version: older });
      writeAsTyped(field, value, defaultValue);
      field.closest("details")?.setAttribute("open", "");
    }
  }
}

// When the screen locks, it is kept by the server.
document.addEventListener("locking", (event) => {
  for (const reference of drafts.keys()) event.detail.push(...placeless(reference));
});

// As somebody would have typed it over what stood there.
function writeAsTyped(field, value, stood) {
  if (!field.options) field.defaultValue = stood;
  field.value = value;
}

// What was sent isn't to be kept here any more: it is the server's to say what became of it. What was typed since is.
function settle(sent) {
  for (const [field, value] of sent) {
    field.defaultValue = value;
    delete field.form.dataset.refilled;
    delete field.form.dataset.version;
  }
}

// Forms in the panel that change something are sent from here; what they answer is told as on the board. Each press has
// a key of its own, since a refusal is kept under its key; a second press while one is on its way is none. A refusal is
// told once the panel shows what was the reason, so the next press counts at once, and knows.
panel.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  event.preventDefault();
  if (sending) return;
  sending = true;
  let refusal = null;
  try {
    refusal = await sendForm(form, event.submitter, shown.reference);
  } finally {
    sending = false;
  }
  if (refusal) await tellRefusal(refusal);
  panelMayBeOld();
});

// Returns a refusal that is still to be told, or null.
async function sendForm(form, submitter, reference) {
  const address = form.getAttribute("action");
  const fields = {};
  for (const [name, value] of new FormData(form, submitter)) fields[name] = [...(fields[name] ?? []), value];
  for (const name of ["key", "csrf_token", "next"]) delete fields[name];
  const sent = new Map(fieldsOf(form).map((field) => [field, field.value]));
  const sentFrom = sent.has(document.activeElement) ? document.activeElement : null;
  const key = newKey();
  const name = panel.querySelector("#visit-name").textContent;
  const answer = await sendFor(reference, address, fields, { key });
  const isRefusal = Boolean(answer.code) && [409, 422].includes(answer.status);
  if (isRefusal && form.querySelector("textarea, input[type=text]")) {
    return showRefused({ sent, sentFrom, name }, reference, answer, () => post(`${address}?panel=1`, fields, key, "text/html"));
  }
  if (answer.ok) {
    settle(sent);
    if (answer.says) toast(answer.says, { name, back: answer.back, makeUp: answer.make_up });
  }
  await refresh();
  // Nor is it taken from whoever went on to another field of the page.
  const redraws = (answer.ok || isRefusal) && shown?.reference === reference;
  if (redraws) await openPanel(reference, { focus: isTypingHere() || !isTyping(document.activeElement), sentFrom });
  return answer.ok ? null : answer;
}

// The panel as the page would be after a refusal: what was typed, what it says by now, and its version. The same key is
// given the same answer, here in words.
async function showRefused({ sent, sentFrom, name }, reference, refusal, again) {
  await refresh();
  const answer = await again().catch(() => null);
  if (answer?.status !== refusal.status) return refusal;
  const html = await answer.text();
  const stood = [...sent.keys()].map(({ id, defaultValue }) => ({ id, defaultValue }));
  settle(sent);
  showPanel(reference, html, sentFrom);
  // It was refused, so it is only typed still.
  for (const { id, defaultValue } of stood) {
    const field = panel.querySelector(`#${CSS.escape(id)}`);
    if (field) writeAsTyped(field, field.value, defaultValue);
  }
  if (isTypingHere()) toast(refusal.title, { name, bad: true });
  else panel.querySelector("[role=alert]").focus();
  return null;
}
