// Small behaviours over forms that work without them. An element asks for one by data-behaviour="name".

const behaviours = {
  // A second tap on a form that is on its way does nothing. The server would answer it the same, only later.
  "send-once"(form) {
    let sent = false;
    form.addEventListener("submit", (event) => {
      if (sent) event.preventDefault();
      sent = true;
    });
    // Coming back by the back button, the form may be sent again.
    window.addEventListener("pageshow", () => { sent = false; });
  },

  // What only a script can do is shown where there are scripts.
  "with-scripts"(element) {
    element.hidden = false;
  },

  // Puts the reader where the trouble is told.
  "focus-here"(element) {
    element.focus();
  },

  // A button that only changes a part of its page changes it in place; without this the whole page comes again.
  "in-place"(form) {
    form.addEventListener("click", async (event) => {
      const button = event.target.closest("button[data-in-place]");
      if (!button || button.dataset.sent) return;
      event.preventDefault();
      const sent = new URLSearchParams(new FormData(form));
      sent.set(button.name, button.value);
      const part = document.getElementById(button.dataset.inPlace);
      try {
        const address = button.getAttribute("formaction") ?? form.action;
        const answer = await fetch(address, { method: "POST", body: sent, headers: { Accept: "text/html" } });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.getElementById(button.dataset.inPlace);
        if (!answer.ok || !fresh) throw new Error(String(answer.status));
        part.replaceChildren(...fresh.childNodes);
        document.getElementById(button.id)?.focus();
      } catch {
        button.dataset.sent = "1";
        button.click();
      }
    });
  },

  // Loads further days in place; the link itself leads to a page with the same days.
  "more-days"(link) {
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const list = document.getElementById("days");
      try {
        const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
        if (!answer.ok) throw new Error(String(answer.status));
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const days = page.querySelectorAll("#days > .day");
        if (!days.length) throw new Error("nothing to add");
        list.append(...days);
        const next = page.querySelector("[data-behaviour='more-days']");
        if (next) link.href = next.getAttribute("href");
        else link.remove();
        const first = days[0].querySelector("h2");
        first.tabIndex = -1;
        first.focus();
      } catch {
        window.location.assign(link.href);
      }
    });
  },
};

for (const element of document.querySelectorAll("[data-behaviour]")) {
  for (const name of element.dataset.behaviour.split(" ")) behaviours[name]?.(element);
}
