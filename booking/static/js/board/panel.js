// The visit in full, beside the board. Without this it is a page of its own.

const panel = root.querySelector("[data-panel]");
let shown = null; // {reference, version} of the visit in the panel.

async function openPanel(reference, { focus = true } = {}) {
  const visit = visitOf(reference);
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
  const found = new DOMParser().parseFromString(await answer.text(), "text/html");
  const close = button("✕", closePanel);
  close.classList.add("panel-close");
  close.setAttribute("aria-label", word("close"));
  panel.replaceChildren(close, ...found.body.childNodes);
  // What is done on a page of its own leads back to this board.
  for (const link of panel.querySelectorAll("a[data-comes-back]")) link.href += `?${wayBack(reference)}`;
  panel.hidden = false;
  shown = { reference, version: visit?.dataset.version };
  if (visit) choose(visit, { focus: false });
  if (focus) {
    const head = panel.querySelector("h1, h2, h3") ?? close;
    head.tabIndex = -1;
    head.focus({ preventScroll: true });
  }
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
  const typing = panel.contains(document.activeElement) && isTyping(document.activeElement);
  const typed = [...panel.querySelectorAll("textarea, input[type=text]")].some((field) => field.value !== field.defaultValue);
  if (!typing && !typed) openPanel(shown.reference, { focus: panel.contains(document.activeElement) });
}

// Forms in the panel that change something are sent from here; what they answer is told as on the board.
panel.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  event.preventDefault();
  const fields = {};
  for (const [name, value] of new FormData(form, event.submitter)) fields[name] = [...(fields[name] ?? []), value];
  const key = fields.key?.[0];
  for (const name of ["key", "csrf_token", "next"]) delete fields[name];
  const reference = shown.reference;
  ours(reference);
  const answer = await send(form.getAttribute("action"), fields, key);
  if (!answer.ok && answer.needs_reason?.length) {
    form.submit();
    return;
  }
  if (!answer.ok) return refused(answer);
  if (answer.says) toast(answer.says, { entry: answer.entry });
  await refresh();
  if (shown?.reference === reference) await openPanel(reference);
});
