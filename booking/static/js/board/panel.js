// The visit in full, beside the board. Without this it is a page of its own.

const panel = root.querySelector("[data-panel]");
let shown = null; // {reference, version} of the visit in the panel.
let sending = false; // Whether a form of the panel is on its way.

async function openPanel(reference, { focus = true } = {}) {
  const address = `/desk/visits/${reference}`;
  let answer;
  try {
    answer = await fetch(`${address}?panel=1`, { headers: { Accept: "text/html" } });
  } catch {
    answer = null;
  }
  if (!answer?.ok || answer.redirected) {
    window.location.assign(address);
    return;
  }
  showPanel(reference, await answer.text());
  if (focus) {
    const head = panel.querySelector("h1, h2, h3");
    head.tabIndex = -1;
    head.focus({ preventScroll: true });
  }
}

// Puts what the server wrote of a visit into the panel.
function showPanel(reference, html) {
  const found = new DOMParser().parseFromString(html, "text/html");
  const visit = visitOf(reference);
  const close = button("✕", closePanel);
  close.classList.add("panel-close");
  close.setAttribute("aria-label", word("close"));
  panel.replaceChildren(close, ...found.body.childNodes);
  // What is done on a page of its own leads back to this board.
  for (const link of panel.querySelectorAll("a[data-comes-back]")) link.href += `?${wayBack(reference)}`;
  panel.hidden = false;
  shown = { reference, version: visit?.dataset.version };
  if (visit) choose(visit, { focus: false });
  sayWhere();
}

function closePanel() {
  panel.hidden = true;
  panel.replaceChildren();
  shown = null;
  sayWhere();
  chosenVisit()?.focus();
}

// For forms on pages of their own: where to go on when they are done.
function wayBack(reference = chosen) {
  const address = new URL(root.dataset.here, window.location.href);
  address.searchParams.set("visit", reference);
  return new URLSearchParams({ next: address.pathname + address.search });
}

// The address says what one sees, so that it can be kept and shared.
function sayWhere() {
  const address = new URL(root.dataset.here, window.location.href);
  if (shown) address.searchParams.set("visit", shown.reference);
  window.history.replaceState(null, "", address);
}

// A change that isn't ours, or a status by key: the panel says so too, unless somebody is typing in it.
function panelMayBeOld() {
  if (!shown) return;
  const version = visitOf(shown.reference)?.dataset.version;
  if (version === shown.version) return;
  if (!hasTyped()) openPanel(shown.reference, { focus: panel.contains(document.activeElement) });
}

// Whether something stands in the panel that isn't to be lost: typed, or typed into a form that was refused.
function hasTyped() {
  const typing = panel.contains(document.activeElement) && isTyping(document.activeElement);
  const typed = [...panel.querySelectorAll("textarea, input[type=text]")].some((field) => field.value !== field.defaultValue);
  return typing || typed || panel.querySelector("[role=alert]") !== null;
}

// Forms in the panel that change something are sent from here; what they answer is told as on the board. Each press has
// a key of its own, since a refusal is kept under its key; a second press while one is on its way is none.
panel.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  event.preventDefault();
  if (sending) return;
  sending = true;
  try {
    await sendForm(form, event.submitter, shown.reference);
  } finally {
    sending = false;
  }
});

async function sendForm(form, submitter, reference) {
  const address = form.getAttribute("action");
  const fields = {};
  for (const [name, value] of new FormData(form, submitter)) fields[name] = [...(fields[name] ?? []), value];
  for (const name of ["key", "csrf_token", "next"]) delete fields[name];
  const key = newKey();
  const answer = await sendFor(reference, address, fields, key);
  const isRefusal = Boolean(answer.code) && [409, 422].includes(answer.status);
  if (isRefusal && form.querySelector("textarea, input[type=text]")) {
    await showRefused(reference, answer, () => post(`${address}?panel=1`, fields, key, "text/html"));
    return;
  }
  if (answer.ok) {
    if (answer.says) toast(answer.says, { entry: answer.entry });
    await refresh();
  } else {
    await refused(answer);
  }
  if (shown?.reference !== reference) return;
  if (answer.ok || (isRefusal && !hasTyped())) {
    await openPanel(reference);
  } else if (isRefusal && form.elements.version && visitOf(reference)) {
    // What is typed elsewhere in the panel stays; pressed again, this form speaks of the visit as it is by now.
    form.elements.version.value = visitOf(reference).dataset.version;
  }
}

// The panel as the page would be after a refusal: what was typed, what it says by now, and its version. The same key is
// given the same answer, here in words.
async function showRefused(reference, refusal, again) {
  await refresh();
  const answer = await again().catch(() => null);
  if (answer?.status !== refusal.status) {
    await refused(refusal);
    return;
  }
  showPanel(reference, await answer.text());
  panel.querySelector("[role=alert]").focus();
}
