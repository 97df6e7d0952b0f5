// The desk's lists: one that keeps itself fresh, and what is done by one key.

const EVERY_SECONDS = 10;

// Asks for the lists again, as long as somebody can see them. Focus stays where it is: on the same link, if it is still there.
function keepFresh(lists) {
  let tag = lists.dataset.tag;
  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(lists.dataset.address, { headers: { "X-Poll": "1", "If-None-Match": `W/"${tag}"` } });
      if (answer.redirected) window.location.reload();
      if (answer.status !== 200) return;
      const focused = lists.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      lists.replaceChildren(...fresh.body.childNodes);
      tag = answer.headers.get("ETag")?.match(/"(.*)"/)?.[1] ?? "";
      if (focused) [...lists.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus({ preventScroll: true });
    } catch {
      // The next one may get through.
    }
  };
  setInterval(ask, EVERY_SECONDS * 1000);
  document.addEventListener("visibilitychange", ask);
}

// R, L, O and T press the buttons of the call that has the focus; of the first one, where nothing has it. U takes back what
// was done last.
function listKeys(page) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.key.length !== 1) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) return;
    const key = event.key.toLowerCase();
    const nowhere = [document.body, document.getElementById("main")].includes(event.target);
    const call = event.target.closest(".call-card") ?? (nowhere ? page.querySelector(".call-card") : null);
    const button = key === "u" ? document.querySelector(".done form button") : call?.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (!button) return;
    event.preventDefault();
    button.click();
  });
}

for (const lists of document.querySelectorAll("[data-keep-fresh]")) keepFresh(lists);
for (const page of document.querySelectorAll("[data-list-keys]")) listKeys(page);
