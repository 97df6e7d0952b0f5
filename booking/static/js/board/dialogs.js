// Questions and refusals, in dialogs that a keyboard can answer.

function dialog(name) {
  return root.querySelector(`[data-dialog="${name}"]`);
}

let question = null; // The dialog that waits for its answer, until what the answer does is begun.

// Opens a dialog and waits for the button that closes it: its value, or "" by Esc.
function ask(element) {
  const before = document.activeElement;
  question = element;
  return new Promise((resolve) => {
    element.returnValue = "";
    element.addEventListener("close", () => {
      (document.contains(before) ? before : chosenVisit())?.focus({ preventScroll: true });
      resolve(element.returnValue === "cancel" ? "" : element.returnValue);
      setTimeout(pressHeldKeys);
    }, { once: true });
    element.showModal();
  });
}

// Whether a dialog is closed and what its answer does isn't begun yet.
function isBeingAnswered() {
  return question !== null && !question.open;
}

// Says no, as the server put it, and what would do instead. `name`: whose visit it is, where one doesn't look at it.
async function refused(answer, name = "") {
  await refresh();
  await tellRefusal(answer, name);
}

// The same, where the board is fresh already.
async function tellRefusal(answer, name = "") {
  const element = dialog("said");
  const title = answer.title || word("failed");
  element.querySelector("[data-title]").textContent = name ? `${name}: ${title}` : title;
  element.querySelector("[data-advice]").textContent = answer.advice || "";
  const more = element.querySelector("[data-more]");
  const offered = (answer.alternatives ?? []).map((one) => (typeof one === "string" ? one : one.words)).filter(Boolean);
  more.replaceChildren(...offered.map((text) => {
    const line = document.createElement("li");
    line.textContent = text;
    return line;
  }));
  more.hidden = !offered.length;
  const times = element.querySelector("[data-times]");
  times.hidden = !answer.times;
  if (answer.times) times.href = answer.times;
  const other = element.querySelector("button[value=other]");
  other.hidden = !answer.other;
  const said = ask(element);
  if (answer.other) other.focus();
  if (await said === "other") moveOther(answer.other);
}

// Reasons that are given often stand ready: a click writes one, ↓ and ↑ in the field go through them.
function offerReasons(element) {
  const field = element.querySelector("input[name=reason]");
  const ready = [...element.querySelectorAll("[data-ready]")];
  const write = (one) => { field.value = one.textContent; field.focus(); };
  for (const one of ready) one.addEventListener("click", () => write(one));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const here = ready.findIndex((one) => one.textContent === field.value);
    write(ready.at((here + (event.key === "ArrowDown" ? 1 : -1)) % ready.length));
  });
}

// A reason that is needed and missing is asked for in our words: the browser's own lie over the reasons that stand ready.
function wantReason(element) {
  const field = element.querySelector("input[name=reason]");
  element.querySelector("form").addEventListener("submit", (event) => {
    if (!field.required || event.submitter?.value === "cancel" || field.value.trim()) return;
    event.preventDefault();
    sayMissing(element, true);
    field.focus();
  });
  element.addEventListener("close", () => sayMissing(element, false));
}

function sayMissing(element, isMissing) {
  const said = element.querySelector("[data-missing]");
  said.textContent = isMissing ? said.dataset.missing : "";
  element.querySelector("input[name=reason]").ariaInvalid = isMissing ? "true" : null;
}

// What is typed when the screen locks is kept as the form of the page that asks the same, at `address`, would send it.
function keepAs(form, address, sent) {
  form.action = address.split("?")[0];
  form.dataset.page = address;
  form.querySelector("[data-sent]").replaceChildren(...Object.entries(sent).map(([name, value]) => {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    return field;
  }));
}

function keepNoMore(form) {
  form.reset();
  form.removeAttribute("action");
  delete form.dataset.page;
}

let askedMoves = 0;

// Whether to move, whether to tell the patient, and why, where a rule is passed: the `usual` reason stands there already.
// Returns {tell, reason, cannot, other}: `tell` is "yes", "phone" where they have just heard it on the telephone, "no", "other"
// where the patient's `other` visit is to be moved instead, or "" where the visit is left where it was; `cannot` says what keeps
// it from there, if something does. `since`: what a colleague has done to it since it was shown, known by now; else the preview
// says it. Whoever was told so moves it all the same.
async function askMove(mine, where, fields, { needsReason = false, usual = "", breaches = [], since = [] } = {}) {
  const element = dialog("move");
  const reason = element.querySelector("input[name=reason]");
  const preview = element.querySelector("[data-preview]");
  const moves = element.querySelectorAll("button[value=yes], button[value=phone], button[value=no]");
  const tells = element.querySelector("button[value=yes]");
  const leaves = element.querySelector("button[value=cancel]");
  const movesOther = element.querySelector("button[value=other]");
  const say = (name, lines) => {
    const told = element.querySelector(`[data-${name}]`);
    told.hidden = !lines.length;
    told.textContent = lines.join(" ");
  };
  const showReason = (broken) => {
    element.querySelector("[data-why]").hidden = false;
    reason.required = true;
    say("breaches", broken);
  };
  const saySince = (lines) => {
    say("since", lines);
    element.querySelector("[data-title]").textContent = word(lines.length ? "anyway" : "move", { name: mine.name, where });
  };
  element.querySelector("[data-why]").hidden = true;
  saySince(since);
  for (const name of ["breaches", "here"]) say(name, []);
  for (const one of moves) one.hidden = false;
  movesOther.hidden = true;
  reason.required = false;
  reason.value = usual;
  preview.hidden = true;
  tells.textContent = tells.dataset.words;
  leaves.textContent = leaves.dataset.words;
  if (needsReason) showReason(breaches);
  const page = changeAddress(mine, fields);
  keepAs(element.querySelector("form"), movePage(mine, fields), { ...fields, version: mine.version, key: newKey() });
  const answer = ask(element);
  let cannot = "";
  let other = "";
  const asked = ++askedMoves;
  (needsReason ? reason : since.length ? leaves : tells).focus();
  previewOf(`${page}&version=${mine.version}`).then((found) => {
    // By now another move may be asked about.
    if (!found || !element.open || asked !== askedMoves) return;
    if (found.stale.length) {
      mine.version = found.version;
      saySince(found.stale);
      leaves.textContent = found.leave;
      leaves.focus();
    }
    if (found.clash.length) {
      // What can't be isn't offered.
      cannot = found.clash.join(" ");
      element.querySelector("[data-why]").hidden = true;
      for (const one of moves) one.hidden = true;
      say("breaches", [word("cannot"), cannot]);
      other = found.other;
      movesOther.hidden = !other;
      (other ? movesOther : leaves).focus();
      return;
    }
    preview.textContent = found.text;
    preview.hidden = !found.text;
    say("here", found.here ? [found.here] : []);
    // Who hasn't heard of an earlier change can't be left untold.
    element.querySelector("button[value=no]").hidden = found.owed;
    if (found.channel === "call") tells.textContent = tells.dataset.callWords;
    // What gives way anyway needs no other reason: one press is enough.
    if (found.usual && !reason.value) reason.value = found.usual;
    if (found.needsReason.length && reason.required === false) {
      showReason(found.needsReason);
      reason.focus();
    }
  });
  const said = { tell: await answer, reason: reason.value.trim(), cannot, other };
  keepNoMore(element.querySelector("form"));
  return said;
}
