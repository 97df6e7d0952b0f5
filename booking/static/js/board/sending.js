// How a change is sent: as the form would send it, with an answer as JSON. Each wish has a key of its own, so that
// what is sent twice happens once.

function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// `page`: where the same can be asked for by a form, should the screen be locked by now.
function post(address, fields, key, accept, page) {
  const body = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...fields, key })) {
    for (const one of [value].flat()) if (one !== null && one !== undefined) body.append(name, one);
  }
  const headers = { Accept: accept, "X-CSRFToken": root.dataset.csrf, ...(page && { "X-Page": page }) };
  return fetch(address, { method: "POST", body, headers });
}

// The answer, with `status`; a line that broke is `status` 0.
function send(address, fields, { key = newKey(), page } = {}) {
  return answered(post(address, fields, key, "application/json", page));
}

// What stands at an address, in the same way.
function look(address) {
  return answered(fetch(address, { headers: { Accept: "application/json" } }));
}

async function answered(request) {
  try {
    const answer = await request;
    if (answer.redirected || !answer.headers.get("Content-Type")?.startsWith("application/json")) {
      // The page itself says why.
      if (answer.redirected) window.location.reload();
      return { ok: false, status: answer.status, title: word("failed"), advice: "" };
    }
    return { ...(await answer.json()), status: answer.status };
  } catch {
    return { ok: false, status: 0, title: word("failed"), advice: "" };
  }
}

// The same for what is done to this visit, which isn't marked as a colleague's: neither on its way, nor the version that
// it led to.
async function sendFor(reference, address, fields, how) {
  own.set(reference, "");
  const answer = await send(address, fields, how);
  if (answer.version) own.set(reference, String(answer.version));
  else own.delete(reference);
  return answer;
}

// A status of the chosen visit, by one key.
async function setStatus(visit, to) {
  const facts = factsOf(visit);
  const answer = await sendFor(facts.reference, `/desk/visits/${facts.reference}/status`, { to, version: facts.version });
  if (!answer.ok) return refused(answer, facts.name);
  toast(answer.says, { name: facts.name, back: answer.back, makeUp: answer.make_up });
  await refresh();
  // The panel of a visit that isn't on this board isn't drawn anew with it.
  if (visit === panel.querySelector("[data-ref]")) await openPanel(facts.reference);
}
