// The desk's lists: one that keeps itself fresh, and what is done by one key.

const EVERY_SECONDS = 10;

// Asks for the lists again, as long as somebody can see them, and gives what is new to `put`.
function keepFresh(lists, put) {
  let tag = lists.dataset.tag;
  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(lists.dataset.address, { headers: { "X-Poll": "1", "If-None-Match": `W/"${tag}"` } });
      if (answer.redirected) window.location.reload();
      if (answer.status !== 200) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      tag = answer.headers.get("ETag")?.match(/"(.*)"/)?.[1] ?? "";
      put(lists, fresh.body);
    } catch {
      // The next one may get through.
    }
  };
  setInterval(ask, EVERY_SECONDS * 1000);
  document.addEventListener("visibilitychange", ask);
}

// Focus stays where it is: on the same link, if it is still there.
function instead(lists, fresh) {
  const focused = lists.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  lists.replaceChildren(...fresh.childNodes);
  if (focused) [...lists.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
}

// Calls stay in their places, for whoever is on the telephone: one that a colleague has settled says so where it stands, and
// none takes its place under the finger; further ones come last. What is to be said is left as it was read, with its version:
// the server refuses what was told of a visit that is no longer so.
function besides(list, fresh) {
  const coming = new Map([...fresh.querySelectorAll(".call-card")].map((card) => [card.dataset.call, card]));
  if (!list.children.length && coming.size) window.location.reload();
  for (const card of list.querySelectorAll(".call-card")) {
    const now = coming.get(card.dataset.call);
    coming.delete(card.dataset.call);
    const isHere = card.contains(document.activeElement);
    const pressed = isHere ? document.activeElement.value : "";
    const version = (one) => one.querySelector("[name='version']")?.value;
    if (!now) say(card, list.dataset.gone, card.querySelector("form"));
    else if (version(card) && version(card) !== version(now)) say(card, list.dataset.changed);
    else if (card.textContent !== now.textContent) card.replaceChildren(...now.childNodes);
    if (isHere && !card.contains(document.activeElement)) ([...card.querySelectorAll("button")].find((one) => one.value === pressed) ?? card).focus({ preventScroll: true });
  }
  list.append(...coming.values());
}

// Once a card, for whoever hears the page as well; in the place of a form, if it has no use any more.
function say(card, words, form = null) {
  card.tabIndex = -1;
  form?.remove();
  if (card.querySelector("[data-said]")?.textContent === words) return;
  const said = document.createElement("p");
  said.className = "chip amber";
  said.dataset.said = "";
  said.setAttribute("role", "status");
  card.querySelector("[data-said]")?.remove();
  card.append(said);
  said.textContent = words;
}

// R, L, O and T press the buttons of the call that has the focus; where nothing has it, of the first one that nobody has tried,
// as one that was tried stays. U takes back what was done last.
function listKeys(page) {
  const next = () => page.querySelector(".call-card:not([data-tried])") ?? page.querySelector(".call-card");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.key.length !== 1) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const key = event.key.toLowerCase();
    const nowhere = [document.body, document.getElementById("main")].includes(event.target);
    const call = event.target.closest(".call-card") ?? (nowhere ? next() : null);
    const button = key === "u" ? document.querySelector(".done form button") : call?.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!button) return;
    event.preventDefault();
    button.click();
  });
}

for (const lists of document.querySelectorAll("[data-keep-fresh]")) keepFresh(lists, instead);
for (const list of document.querySelectorAll("[data-calls]")) keepFresh(list, besides);
for (const page of document.querySelectorAll("[data-list-keys]")) listKeys(page);
