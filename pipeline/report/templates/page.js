"use strict";
// Everything is visible without this script; it adds a table of contents, switches for the contours, sorting, filtering
// and large pictures.
const contents = document.getElementById("contents");
for (const heading of document.querySelectorAll("main h2[id]")) {
  const link = document.createElement("a");
  link.href = `#${heading.id}`;
  link.textContent = heading.textContent;
  contents.appendChild(document.createElement("li")).appendChild(link);
}

for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
// Several rows of switches act on all cases, so they follow each other.
for (const box of document.querySelectorAll("[data-contour]")) {
  box.addEventListener("change", () => {
    document.body.classList.toggle(`no-${box.dataset.contour}`, !box.checked);
    for (const other of document.querySelectorAll(`[data-contour="${box.dataset.contour}"]`)) other.checked = box.checked;
  });
}
for (const slider of document.querySelectorAll("[data-strength]")) {
  slider.addEventListener("input", () => {
    document.body.style.setProperty("--strength", slider.value / 100);
    for (const other of document.querySelectorAll("[data-strength]")) other.value = slider.value;
  });
}

// Sorts a table by the column of its heading, numbers by value, cells without one last; filters its rows by all words.
const cellText = (row, column) => row.cells[column].textContent.trim();
const asNumber = (text) => (/^[-+]?[\d,]*\.?\d+/.test(text) ? parseFloat(text.replaceAll(",", "")) : NaN);
function compareCells(first, second) {
  if (first === second) return 0;
  if (first === "–" || second === "–") return first === "–" ? Infinity : -Infinity;
  const [a, b] = [asNumber(first), asNumber(second)];
  if (!Number.isNaN(a) && !Number.isNaN(b) && a !== b) return a - b;
  return first.localeCompare(second, "en", { numeric: true });
}
for (const part of document.querySelectorAll(".sortable")) {
  const [body, headings] = [part.querySelector("tbody"), [...part.querySelectorAll("thead th")]];
  const [filter, search, count] = [".filter", "input", "output"].map((name) => part.querySelector(name));
  const rows = [...body.rows];
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const order = (a, b) => {
        const difference = compareCells(cellText(a, column), cellText(b, column));
        return Number.isFinite(difference) ? sign * difference : difference === Infinity ? 1 : -1;
      };
      body.append(...rows.sort(order));
    });
  });
  search.addEventListener("input", show);
  filter.hidden = false;
  show();
}

const large = document.getElementById("large");
for (const button of document.querySelectorAll(".enlarge")) {
  button.addEventListener("click", () => {
    large.querySelector("div").replaceChildren(button.firstElementChild.cloneNode(true));
    large.showModal();
  });
}
large.addEventListener("click", () => large.close());
// Print shows everything: details are opened for it.
window.addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
