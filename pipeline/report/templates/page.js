"use strict";
// Everything is visible without this script; it adds a table of contents, switches for the contours and large pictures.
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
