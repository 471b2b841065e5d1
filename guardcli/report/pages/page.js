"use strict";

// The page is complete without this script. It adds sorting and filtering to tables, and moves the threshold.

const SHORT_TABLE = 13; // rows; a longer table gets a filter

function sortKey(cell) {
  const text = (cell.dataset.sort ?? cell.textContent).trim();
  const number = parseFloat(text.replace(/[,%+]/g, ""));
  return Number.isNaN(number) ? text.toLowerCase() : number;
}

function compareKeys(one, other) {
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return one < other ? -1 : one > other ? 1 : 0;
}

function sortTable(table, column, heading) {
  const descending = heading.getAttribute("aria-sort") === "ascending";
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
  rows.sort((one, other) => compareKeys(one[0], other[0]) * (descending ? -1 : 1));
  body.append(...rows.map((pair) => pair[1]));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    if (!heading.textContent.trim()) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sortTable(table, column, heading));
    heading.append(button);
  });
}

function makeFilterable(table) {
  if (table.tBodies[0].rows.length <= SHORT_TABLE) return;
  const input = document.createElement("input");
  input.type = "search";
  input.className = "filter";
  input.placeholder = "Filter these rows";
  input.setAttribute("aria-label", "Filter these rows");
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of table.tBodies[0].rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
  table.closest(".scroll").before(input);
}

function percent(part, whole) {
  return whole ? `${((100 * part) / whole).toFixed(2)}%` : "-";
}

function ratio(part, whole) {
  return whole ? (part / whole).toFixed(3) : "-";
}

// What a threshold flags, in words. `counts` are of rows at or above it.
function describeUnlabeled(flagged, flaggedNow, total) {
  const more = flagged - flaggedNow;
  const change = more === 0 ? "as many as now" : `${Math.abs(more).toLocaleString("en")} ${more > 0 ? "more" : "fewer"} than now`;
  return `flags ${flagged.toLocaleString("en")} rows (${percent(flagged, total)}), ${change}.`;
}

function describeLabeled(tp, fp, unsafe, safe) {
  const caught = `flags ${tp.toLocaleString("en")} of ${unsafe.toLocaleString("en")} unsafe records (recall ${ratio(tp, unsafe)})`;
  const alarms = `${fp.toLocaleString("en")} of ${safe.toLocaleString("en")} safe ones (false positive rate ${ratio(fp, safe)})`;
  const quality = `precision ${ratio(tp, tp + fp)}, F1 ${ratio(2 * tp, tp + fp + unsafe)}`;
  return `${caught} and ${alarms}: ${quality}.`;
}

function describe(data, step, now) {
  if (data.all) return describeUnlabeled(data.all[step], now, data.all[0]);
  return describeLabeled(data.unsafe[step], data.safe[step], data.unsafe[0], data.safe[0]);
}

function makeSlider(slider) {
  const data = JSON.parse(slider.dataset.choices);
  const range = slider.querySelector("input[type=range]");
  const number = slider.querySelector("input[type=number]");
  const output = slider.querySelector("output");
  const marker = slider.closest(".chart-block").querySelector(".marker.other");
  const flaggedNow = Number(slider.dataset.flagged);
  const show = (threshold) => {
    const step = Math.min(data.steps - 1, Math.max(0, Math.round(threshold * data.steps)));
    output.textContent = `At ${(step / data.steps).toFixed(3)} the guard ${describe(data, step, flaggedNow)}`;
    marker.style.left = `${(100 * step) / data.steps}%`;
    marker.hidden = false;
    return step;
  };
  range.addEventListener("input", () => {
    number.value = (show(range.value / data.steps) / data.steps).toFixed(3);
  });
  number.addEventListener("input", () => {
    if (number.value !== "") range.value = show(Number(number.value));
  });
  slider.hidden = false;
}

// Messages stay as the reader left them.
function openForPrint() {
  for (const details of document.querySelectorAll("details.for-print:not([open])")) {
    details.open = true;
    details.dataset.openedForPrint = "";
  }
}

function closeAfterPrint() {
  for (const details of document.querySelectorAll("details[data-opened-for-print]")) {
    details.open = false;
    delete details.dataset.openedForPrint;
  }
}

for (const table of document.querySelectorAll("table.sortable")) {
  makeSortable(table);
  makeFilterable(table);
}
document.querySelectorAll(".slider").forEach(makeSlider);
window.addEventListener("beforeprint", openForPrint);
window.addEventListener("afterprint", closeAfterPrint);
