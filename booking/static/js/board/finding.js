// Whoever is found by the field of the board: their visit on this board, else on the board of their next visit, else their
// page. The search itself is that of the patients' page (`patients.js`).

const find = root.querySelector("[data-find]");
const findField = find.querySelector("input[name='q']");

find.addEventListener("click", (event) => {
  const hit = event.target.closest("[data-patient]");
  if (!hit || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  const visit = firstVisit(visitsOf(hit.dataset.patient));
  if (!visit && !hit.dataset.onBoard) return;
  event.preventDefault();
  if (visit) {
    clearFind();
    openPanel(visit.dataset.ref);
  } else window.location.assign(hit.dataset.onBoard);
});

find.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.preventDefault();
  clearFind();
  (chosenVisit() ?? scroll).focus({ preventScroll: true });
});

function clearFind() {
  findField.value = "";
  findField.dispatchEvent(new Event("input", { bubbles: true }));
  find.querySelector("#hits").replaceChildren();
}
