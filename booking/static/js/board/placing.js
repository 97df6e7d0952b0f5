// A visit on its way to another place, by pointer or by keys: where it can go, why not elsewhere, and putting it there.

let placing = null; // The visit that is being moved, or null.

// `places` has, by "person day", what is free and what needs a reason, as half-open stretches of starts.
function beginPlacing(visit) {
  const facts = factsOf(visit);
  const columns = columnsOf();
  const own = columns.find((column) => column.key === facts.column);
  placing = { ...facts, visit, columns, own, column: own, at: facts.cell, longer: 0, places: new Map(), whys: new Map() };
  visit.classList.add("moving");
  root.classList.add("is-placing");
  const mine = placing;
  mine.loaded = Promise.all([...new Set(columns.map((column) => column.day))].map((day) => loadPlaces(mine, day))).then(() => {
    if (placing === mine) light();
  });
  return placing;
}

function endPlacing() {
  if (!placing) return;
  for (const lights of scroll.querySelectorAll(".lights")) lights.remove();
  visitOf(placing.reference)?.classList.remove("moving");
  root.classList.remove("is-placing");
  placing = null;
  tell("");
}

async function loadPlaces(mine, day) {
  try {
    const answer = await fetch(`/desk/visits/${mine.reference}/places?day=${day}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const found = await answer.json();
    for (const [person, stretches] of Object.entries(found.practitioners)) mine.places.set(`${person} ${day}`, stretches);
  } catch {
    // Without it nothing is lit up; the answer to the drop says whether it could be.
  }
}

function placesIn(column, mine = placing) {
  return mine.places.get(`${column.person ?? mine.person} ${column.day}`);
}

// "free", "reason", "taken", or "unknown" while that isn't known yet.
function judge(column, cell, mine = placing) {
  const places = placesIn(column, mine);
  const within = (stretches) => stretches.some(([from, to]) => from <= cell && cell < to);
  if (cell === mine.cell && column === mine.own) return "free";
  if (!places) return mine.places.size ? "taken" : "unknown";
  return within(places.free) ? "free" : within(places.reason) ? "reason" : "taken";
}

// Whether nothing but the clinic's notice speaks against it.
function isSoon(column, cell) {
  return (placesIn(column)?.soon ?? []).some(([from, to]) => from <= cell && cell < to);
}

// Lights up where the visit can begin and lie.
function light() {
  for (const column of placing.columns) {
    const places = placesIn(column);
    if (!places) continue;
    const lights = document.createElement("div");
    lights.className = "lights";
    for (const [kind, stretches] of [["", places.free], [" reason", places.reason]]) {
      for (const [from, to] of stretches) {
        const first = Math.max(from - column.cell0, 0);
        // A start lights the row that it begins in: from there on the visit is drawn.
        const last = Math.min(to - column.cell0, column.rows);
        if (first >= last) continue;
        const lit = document.createElement("div");
        lit.className = `lit${kind} t${first} h${last - first}`;
        lights.append(lit);
      }
    }
    column.ground.append(lights);
  }
}

// Why the visit can't be there, or not without a reason, in words; asked once for each place.
async function why(column, cell, mine = placing) {
  const place = `${column.key} ${cell}`;
  if (!mine.whys.has(place)) {
    const asked = new URLSearchParams({ practitioner: column.person ?? mine.person, cell, day: column.day });
    mine.whys.set(place, fetch(`/desk/visits/${mine.reference}/why?${asked}`, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : { words: [] })).then((found) => found.words)
      .catch(() => []));
  }
  return mine.whys.get(place);
}

function whereWords(column, cell, mine = placing) {
  if (column.room !== null) return word("in", { time: timeOf(cell), name: column.name });
  return word(root.dataset.view === "week" ? "on" : "with", { time: timeOf(cell), name: column.name });
}

// Says in the bar where the visit would be, and what keeps it from there.
let saying = 0;
function sayPlace(column, cell, mine = placing) {
  const verdict = judge(column, cell, mine);
  const said = placeWords(column, cell, mine);
  const note = { free: word("free"), reason: word("needs"), taken: word("taken"), unknown: "" }[verdict];
  tell(note ? `${said} – ${note}` : said);
  clearTimeout(saying);
  if (verdict === "reason" || verdict === "taken") {
    saying = setTimeout(async () => {
      const words = await why(column, cell, mine);
      if (placing === mine && words.length && mine.column === column && mine.at === cell) tell(`${said} – ${words.join(" ")}`);
    }, 120);
  }
  return verdict;
}

// The place, and the length where that is to be another.
function placeWords(column, cell, mine) {
  const length = mine.longer ? `, ${word("longer", { minutes: (mine.rows + mine.longer) * 5 })}` : "";
  return `${whereWords(column, cell, mine)}${length}`;
}

// What would be sent: only what is to be another than it is.
function wishOf(mine, column, cell) {
  const fields = {};
  if (cell !== mine.cell) fields.cell = cell;
  if (column.person !== null && column.person !== mine.person) fields.practitioner = column.person;
  if (column.room !== null && column.key !== mine.column0) fields.room = column.room;
  if (mine.longer) fields.length = (mine.rows + mine.longer) * 5;
  return fields;
}

async function previewOf(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.ok || !answer.headers.get("Content-Type")?.startsWith("application/json")) return null;
    const found = await answer.json();
    const lines = [found.tells, found.subject, found.text].filter(Boolean);
    return { text: lines.join("\n"), needsReason: found.needs_reason ?? [] };
  } catch {
    return null;
  }
}

// Puts the visit there: asks once, sends, and says how to take it back.
async function drop(column, cell) {
  const mine = placing;
  mine.column0 = mine.own?.key;
  const fields = wishOf(mine, column, cell);
  if (!Object.keys(fields).length) {
    endPlacing();
    tell(word("left"));
    return;
  }
  const where = placeWords(column, cell, mine);
  const verdict = judge(column, cell, mine);
  let answer = { tell: false, reason: "" };
  if (fields.cell !== undefined || fields.practitioner !== undefined || fields.length !== undefined) {
    const breaches = verdict === "reason" ? await why(column, cell, mine) : [];
    answer = await askMove(word("move", { name: mine.name, where }), {
      needsReason: verdict === "reason",
      breaches,
      address: `/desk/visits/${mine.reference}/change?${new URLSearchParams(fields)}`,
    });
  }
  if (!answer) {
    endPlacing();
    tell(word("left"));
    return;
  }
  await putThere(mine, fields, where, answer);
}

async function putThere(mine, fields, where, answer) {
  ours(mine.reference);
  const sent = await send(`/desk/visits/${mine.reference}/change`, {
    ...fields, version: mine.version, reason: answer.reason, tell: answer.tell ? "yes" : "no",
  });
  if (!sent.ok && sent.needs_reason?.length && !answer.reason) {
    const again = await askMove(word("move", { name: mine.name, where }), { needsReason: true, breaches: sent.needs_reason });
    if (again) return putThere(mine, fields, where, { ...again, tell: again.tell });
    endPlacing();
    return;
  }
  endPlacing();
  if (!sent.ok) return refused(sent);
  toast(`${mine.name}: ${sent.says || word("moved", { where })}`, { entry: sent.entry });
  await refresh();
  const visit = visitOf(mine.reference);
  if (visit) choose(visit);
}
