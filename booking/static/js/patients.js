// Finding a patient while one types, and times that follow what is chosen. Both forms work without this.

const page = async (address, how) => {
  const answer = await fetch(address, { headers: { Accept: "text/html" }, ...how });
  const text = await answer.text();
  if (answer.redirected || !text.includes("<main")) throw new Error(String(answer.status));
  return new DOMParser().parseFromString(text, "text/html");
};

// Puts the same part of another page in place of ours.
const swap = (id, other) => {
  const ours = document.getElementById(id);
  const theirs = other.getElementById(id);
  if (!ours || !theirs) throw new Error(id);
  ours.replaceChildren(...theirs.childNodes);
};

// Hits appear below the field; Enter opens the only one (or the form for somebody new, where nobody is found) and goes to
// the first of several: who of them is meant is for people to say. Arrows go through them.
const seek = (form) => {
  const field = form.querySelector("input[name='q']");
  const hits = document.getElementById(form.dataset.seek);
  let waiting = 0;
  let asked = 0;
  // What the page came with: somebody quick has typed before we listen.
  let shown = field.defaultValue.trim();
  let wanted = null;

  const look = async () => {
    const words = field.value.trim();
    if (words === shown) return;
    const number = ++asked;
    try {
      const address = new URL(form.action);
      address.search = new URLSearchParams(new FormData(form));
      const found = await page(address);
      if (number !== asked) return;
      swap(form.dataset.seek, found);
      shown = words;
      if (wanted === words) open();
    } catch {
      shown = null;
    }
  };
  const links = () => [...hits.querySelectorAll("a.hit")];
  // Nobody is found: then it is somebody new, where somebody new may be.
  const meant = () => links()[0] ?? hits.querySelector("a[data-somebody-new]");
  const open = () => {
    const link = meant();
    wanted = null;
    if (links().length > 1) link.focus();
    else link?.click();
  };
  field.addEventListener("input", () => {
    wanted = null;
    clearTimeout(waiting);
    waiting = setTimeout(look, 150);
  });
  form.addEventListener("submit", (event) => {
    const words = field.value.trim();
    if (!words) return;
    if (words === shown && meant()) {
      event.preventDefault();
      open();
    } else if (shown !== null && words !== shown) {
      // What was typed last is still on its way: what it finds is what Enter means.
      event.preventDefault();
      wanted = words;
      clearTimeout(waiting);
      look().then(() => { if (shown === null) form.submit(); });
    }
  });
  const step = (event) => {
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    const all = links();
    const here = all.indexOf(document.activeElement);
    const next = event.key === "ArrowDown" ? here + 1 : here - 1;
    if (next >= all.length || (here < 0 && event.key === "ArrowUp")) return;
    event.preventDefault();
    if (next < 0) field.focus();
    else all[next].focus();
  };
  form.addEventListener("keydown", step);
  hits.addEventListener("keydown", step);
  // What was typed before the screen locked is back.
  form.addEventListener("refilled", look);
  look();
};

// Another visit, person or day: the times that are free for it; a visit that wasn't chosen yet, if it is known by the
// person; and nothing else changes.
const follow = (form) => {
  let asked = 0;
  const show = async (said) => {
    const number = ++asked;
    said.set("show", "1");
    try {
      const found = await page(form.action, { method: "POST", body: said });
      if (number !== asked) return;
      swap("times", found);
      swap("new-to", found);
      const visit = form.elements.visit_type;
      if (!visit.value) visit.value = found.getElementById("visit_type").value;
    } catch {
      document.getElementById("show").click();
    }
  };
  form.addEventListener("change", (event) => {
    if (!event.target.closest("[data-times]")) return;
    const said = new FormData(form);
    // A time that was free for what was chosen before is none that is wanted; now, or one that is typed, still is.
    if (!["now", "other"].includes(said.get("time"))) said.delete("time");
    show(said);
  });
  // What was typed before the screen locked is back: the time that was chosen then is still meant, or said to be gone.
  const again = () => {
    const said = new FormData(form);
    said.set("time", form.dataset.chosenTime);
    said.set("again", "1");
    show(said);
  };
  form.addEventListener("refilled", again);
  if (form.dataset.refilled) again();
  // A day or a time that is typed is the one that is meant.
  form.addEventListener("input", (event) => {
    if (!event.target.closest("[data-other]")) return;
    const other = form.querySelector("input[name='time'][value='other']");
    if (other) other.checked = true;
  });
};

for (const form of document.querySelectorAll("[data-seek]")) seek(form);
for (const form of document.querySelectorAll("[data-follow]")) follow(form);
