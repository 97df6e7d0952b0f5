// Free times are shown for what is chosen as soon as it is chosen. Without this the form's button asks for them.

const form = document.querySelector("[data-finds]");
const say = document.querySelector("[data-say]");
// Whoever writes a date changes it with each figure.
const RESTS_FOR = 300;
let resting = 0;
let asking = null;

form.querySelector("button").hidden = true;
form.addEventListener("change", () => {
  clearTimeout(resting);
  resting = setTimeout(show, RESTS_FOR);
});

async function show() {
  // Behind a screen that has locked meanwhile nothing is asked.
  if (!form.isConnected) return;
  asking?.abort();
  asking = new AbortController();
  const address = new URL(window.location.pathname, window.location.href);
  address.search = new URLSearchParams(new FormData(form));
  document.getElementById("found").setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, signal: asking.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.redirected || !page.getElementById("found")) throw new Error(String(answer.status));
    put(page);
    window.history.replaceState(window.history.state, "", address);
  } catch (fault) {
    if (fault.name !== "AbortError") window.location.assign(address);
  }
}

// What hangs on the kind of visit is left alone while that is the same: somebody may be writing in it.
function put(page) {
  const focused = document.activeElement.id;
  for (const id of ["quick", "found", "with", "wish-fields"]) {
    const [here, fresh] = [document.getElementById(id), page.getElementById(id)];
    if (fresh.dataset.of && fresh.dataset.of === here.dataset.of) continue;
    for (const one of fresh.querySelectorAll("[autofocus]")) one.removeAttribute("autofocus");
    here.replaceWith(fresh);
  }
  if (focused && document.activeElement.id !== focused) document.getElementById(focused)?.focus();
  say.textContent = document.getElementById("found").dataset.says;
}
