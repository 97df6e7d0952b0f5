// How a change is sent: as the form would send it, with an answer as JSON. Each wish has a key of its own, so that
// what is sent twice happens once.

function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The answer, with `status`; a line that broke is `status` 0. Changes of our own aren't marked as a colleague's.
async function send(address, fields, key = newKey()) {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...fields, key })) {
    for (const one of [value].flat()) if (one !== null && one !== undefined) body.append(name, one);
  }
  try {
    const answer = await fetch(address, {
      method: "POST",
      body,
      headers: { Accept: "application/json", "X-CSRFToken": root.dataset.csrf },
    });
    if (answer.redirected || !answer.headers.get("Content-Type")?.startsWith("application/json")) {
      // Signed out, or locked meanwhile: the page itself says so.
      if (answer.redirected || answer.status === 401 || answer.status === 423) window.location.reload();
      return { ok: false, status: answer.status, title: word("failed"), advice: "" };
    }
    return { ...(await answer.json()), status: answer.status };
  } catch {
    return { ok: false, status: 0, title: word("failed"), advice: "" };
  }
}

// A status of the chosen visit, by one key.
async function setStatus(visit, to) {
  const facts = factsOf(visit);
  ours(facts.reference);
  const answer = await send(`/desk/visits/${facts.reference}/status`, { to, version: facts.version });
  if (!answer.ok) return refused(answer);
  toast(`${facts.name}: ${answer.says}`, { entry: answer.entry });
  await refresh();
}
