// A visit on its way to another place, by pointer or by keys: where it can go, why not elsewhere, and putting it there.

let placing = null; // The visit that is being moved, or null.

// `answers` has by question what is free and what needs a reason with each person, as half-open stretches of starts;
// `lookups` by how much longer it is to be, when they are there. `now` is the cell that runs just now, once that is
// known. `show` draws once more where the visit is by now. With `resizing` it stays where it begins.
function beginPlacing(visit, { show, resizing = false }) {
  const facts = factsOf(visit);
  const all = columnsOf();
  const own = all.find((column) => column.key === facts.column);
  // Out of its room a visit goes into another one, not into none.
  const columns = resizing ? [own] : all.filter((column) => column.room !== "" || column === own);
  placing = {
    ...facts, visit, columns, own, column: own, at: facts.cell, longer: 0, now: 0, show,
    answers: new Map(), lookups: new Map(), whys: new Map(), turn: Promise.resolve(),
  };
  visit.classList.add("moving");
  root.classList.add("is-placing");
  lookUp(placing);
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

// What is asked about a column: its day, its room in the Rooms view, and the length where that is to be another.
function questionOf(column, mine) {
  const asked = new URLSearchParams({ day: column.day });
  if (column.room) asked.set("room", column.room);
  if (mine.longer) asked.set("length", (mine.rows + mine.longer) * 5);
  return asked.toString();
}

// Asks where the visit can go, as long as it is to be by now: once for each day or room, all at one time.
function lookUp(mine) {
  const { longer } = mine;
  if (!mine.lookups.has(longer)) {
    const questions = new Set(mine.columns.map((column) => questionOf(column, mine)));
    mine.lookups.set(longer, Promise.all([...questions].map((one) => loadPlaces(mine, one))).then(() => {
      if (placing === mine && mine.longer === longer) light();
    }));
  }
  return mine.lookups.get(longer);
}

async function loadPlaces(mine, question) {
  try {
    const answer = await fetch(`/desk/visits/${mine.reference}/places?${question}`, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const found = await answer.json();
    mine.now = found.now;
    const ahead = Object.entries(found.practitioners).map(([person, places]) => [person, placesAhead(mine, person, places)]);
    mine.answers.set(question, Object.fromEntries(ahead));
  } catch {
    // Without it nothing is lit up; the answer to the drop says whether it could be.
  }
}

// Places that haven't passed: but its own start, at which a visit may get longer, or go to somebody else. What only the
// notice speaks against is `soon`, and isn't among what needs a reason for more.
function placesAhead(mine, person, { free, soon, reason }) {
  const passed = mine.cell < mine.now ? [[0, mine.cell], [mine.cell + 1, mine.now]] : [[0, mine.now]];
  return { free: without(free, passed), soon: without(soon, passed), reason: without(without(reason, soon), passed) };
}

function without(stretches, others) {
  return others.reduce((rest, [from, to]) => rest.flatMap(([first, last]) => [[first, Math.min(last, from)], [Math.max(first, to), last]])
    .filter(([first, last]) => first < last), stretches);
}

function isKnown(column, mine = placing) {
  return mine.answers.has(questionOf(column, mine));
}

function placesIn(column, mine = placing) {
  return mine.answers.get(questionOf(column, mine))?.[column.person ?? mine.person];
}

// Another length has other places: what is lit up goes out, until they are asked for.
function setLength(mine, longer) {
  const wanted = Math.max(longer, 1 - mine.rows);
  if (wanted === mine.longer) return;
  mine.longer = wanted;
  light();
}

// "free", "soon" and "reason", which take a reason, "taken", or "unknown" while that isn't known yet.
function judge(column, cell, mine = placing) {
  const places = placesIn(column, mine);
  const within = (stretches) => stretches.some(([from, to]) => from <= cell && cell < to);
  if (cell === mine.cell && column === mine.own && !mine.longer) return "free";
  if (!places) return isKnown(column, mine) ? "taken" : "unknown";
  return ["free", "soon", "reason"].find((verdict) => within(places[verdict])) ?? "taken";
}

function takesReason(verdict) {
  return verdict === "soon" || verdict === "reason";
}

// Lights up where the visit can begin and lie.
function light() {
  for (const lights of scroll.querySelectorAll(".lights:not(:has(.key-ghost))")) lights.remove();
  for (const column of placing.columns) {
    const places = placesIn(column);
    if (!places) continue;
    const lights = document.createElement("div");
    lights.className = "lights";
    for (const [kind, stretches] of [["", places.free], [" soon", places.soon], [" reason", places.reason]]) {
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
    column.ground.querySelector(".visits").before(lights);
  }
}

// Why the visit can't be there, or not without a reason, in words, and which `other` visit of its patient's is in the way, if
// one is; asked once for each place.
async function why(column, cell, mine = placing) {
  const asked = `${questionOf(column, mine)}&${new URLSearchParams({ practitioner: column.person ?? mine.person, cell })}`;
  if (!mine.whys.has(asked)) {
    mine.whys.set(asked, fetch(`/desk/visits/${mine.reference}/why?${asked}`, { headers: { Accept: "application/json" } })
      .then((answer) => (answer.ok ? answer.json() : { words: [] }))
      .catch(() => ({ words: [] })));
  }
  return mine.whys.get(asked);
}

function whereWords(column, cell, mine = placing) {
  if (column.room !== null) return word("in", { time: timeOf(cell), name: column.name });
  return word(root.dataset.view === "week" ? "on" : "with", { time: timeOf(cell), name: column.name });
}

// Says in the bar where the visit would be, and what keeps it from there: asked once it rests there for a moment.
let saying = 0;
function sayPlace(column, cell, mine = placing) {
  const verdict = judge(column, cell, mine);
  const said = placeWords(column, cell, mine);
  const note = { free: word("free"), soon: word("soon"), reason: word("needs"), taken: word("taken"), unknown: "" }[verdict];
  tell(note ? `${said} – ${note}` : said);
  clearTimeout(saying);
  if (verdict !== "free") {
    const { longer } = mine;
    const rests = () => placing === mine && mine.column === column && mine.at === cell && mine.longer === longer;
    saying = setTimeout(async () => {
      if (verdict === "unknown") {
        await lookUp(mine);
        if (rests() && isKnown(column, mine)) mine.show();
        return;
      }
      const { words } = await why(column, cell, mine);
      if (words.length && rests()) tell(`${said} – ${besides(column, words.join(" "))}`);
    }, 120);
  }
  return verdict;
}

// What is said of whoever the column is of, after their name: it isn't said twice.
function besides(column, words) {
  return words.replaceAll(`${column.name}: `, "");
}

// The place, and the length where that is to be another.
function placeWords(column, cell, mine) {
  const length = mine.longer ? `, ${word("longer", { minutes: (mine.rows + mine.longer) * 5 })}` : "";
  return `${whereWords(column, cell, mine)}${length}`;
}

// What would be sent: all of the place that is spoken of, so that it is this one also if a colleague has moved the visit.
function wishOf(mine, column, cell) {
  const fields = { cell, practitioner: column.person ?? mine.person };
  if (column.room) fields.room = column.room;
  if (mine.longer) fields.length = (mine.rows + mine.longer) * 5;
  return fields;
}

// What a change would mean: what the patient is told, what needs a reason, and why it can't be. Null where nobody knows.
async function previewOf(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (!answer.headers.get("Content-Type")?.startsWith("application/json")) return null;
    const found = await answer.json();
    const lines = [found.tells, found.subject, found.text].filter(Boolean);
    const clash = found.ok ? found.clash : [found.title, found.advice].filter(Boolean);
    return { here: found.here ?? "", channel: found.channel ?? "", owed: Boolean(found.owed), text: lines.join("\n"), needsReason: found.needs_reason ?? [], usual: found.usual ?? "", stale: found.stale ?? [], leave: found.leave, version: found.version, clash, other: found.other ?? "" };
  } catch {
    return null;
  }
}

function changeAddress(mine, fields) {
  return `/desk/visits/${mine.reference}/change?${new URLSearchParams(fields)}`;
}

// The page that asks the same, and leads back to this board.
function movePage(mine, fields) {
  return `${changeAddress(mine, fields)}&${wayBack(mine.reference)}`;
}

// Puts the visit there: asks once, sends, and says how to take it back.
async function drop(column, cell) {
  const mine = placing;
  // Pressed twice, it is put there once.
  if (mine.dropped) return;
  mine.dropped = true;
  const fields = wishOf(mine, column, cell);
  const isHeard = cell !== mine.cell || fields.practitioner !== mine.person || mine.longer !== 0;
  if (!isHeard && column === mine.own) {
    endPlacing();
    tell(word("left"));
    return;
  }
  const where = placeWords(column, cell, mine);
  if (!isHeard) return putThere(mine, fields, where, { tell: "no", reason: "" });
  const verdict = judge(column, cell, mine);
  const needsReason = takesReason(verdict);
  const breaches = needsReason ? (await why(column, cell, mine)).words : [];
  await askAndPut(mine, fields, where, { needsReason, breaches, usual: verdict === "soon" ? word("usual") : "" });
}

async function askAndPut(mine, fields, where, known) {
  const answer = await askMove(mine, where, fields, known);
  if (answer.tell === "other") return moveOther(answer.other);
  if (answer.tell) return putThere(mine, fields, where, answer);
  endPlacing();
  tell(answer.cannot ? `${where} – ${besides(mine.column, answer.cannot)} ${word("left")}` : word("left"));
  // What a colleague did to it meanwhile is seen at once.
  refresh({ poll: true });
}

// The patient's other visit, which is in the way, is moved instead: here if it is on this board, else by its form.
function moveOther(reference) {
  endPlacing();
  const visit = visitOf(reference);
  if (!visit?.matches(".v")) {
    window.location.assign(`/desk/visits/${reference}/change?${wayBack()}`);
    return;
  }
  choose(visit);
  beginByKeys(visit);
}

async function putThere(mine, fields, where, answer) {
  const sent = await sendFor(mine.reference, `/desk/visits/${mine.reference}/change`, {
    ...fields, version: mine.version, reason: answer.reason, tell: answer.tell,
  }, { page: movePage(mine, fields) });
  if (sent.code === "stale_edit") {
    return askAndPut(mine, fields, where, { since: [sent.title, sent.advice, ...sent.alternatives], usual: answer.reason });
  }
  if (!sent.ok && sent.needs_reason?.length && !answer.reason) {
    return askAndPut(mine, fields, where, { needsReason: true, breaches: sent.needs_reason, usual: sent.usual });
  }
  endPlacing();
  if (!sent.ok) return refused(sent);
  toast(sent.says || word("moved", { where }), { name: mine.name, back: sent.back });
  await refresh();
  const visit = visitOf(mine.reference);
  if (visit) choose(visit);
}
