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
    const press = async (button, value) => {
      const sent = new URLSearchParams(new FormData(form));
      sent.set(button.name, value);
      const part = document.getElementById(button.dataset.inPlace);
      const address = button.getAttribute("formaction") ?? form.action;
      const answer = await fetch(address, { method: "POST", body: sent, headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(button.dataset.inPlace);
      if (!answer.ok || !fresh) throw new Error(String(answer.status));
      part.replaceChildren(...fresh.childNodes);
      // What it holds is no longer what the page came with, though nothing was typed.
      form.dataset.refilled = "yes";
    };
    form.addEventListener("click", async (event) => {
      const button = event.target.closest("button[data-in-place]");
      if (!button || button.dataset.sent) return;
      event.preventDefault();
      try {
        await press(button, button.value);
        document.getElementById(button.id)?.focus();
      } catch {
        button.dataset.sent = "1";
        button.click();
      }
    });
    // What was chosen before the screen locked is back, and is to be read as well.
    form.addEventListener("refilled", () => {
      const button = form.querySelector("button[data-in-place]");
      if (button) press(button, "").catch(() => {});
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
