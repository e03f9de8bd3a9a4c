// The page on which to ask: numbers of sliders, the sheet, keys, and failures.
"use strict";

const sheet = document.getElementById("sheet");
const panel = document.getElementById("panel");
const failure = document.getElementById("failure");

// On a narrow window the settings would stand before the answers.
if (matchMedia("(max-width: 899px)").matches) panel.open = false;

document.addEventListener("input", (event) => {
  if (event.target.type !== "range") return;
  const output = document.querySelector(`output[for="${CSS.escape(event.target.id)}"]`);
  output.textContent = Number(event.target.value).toFixed(2);
});

const openSheet = () => {
  if (!sheet.open) sheet.showModal();
  else if (!sheet.contains(document.activeElement)) {
    // What had the focus is no longer there: go on at the heading of what took its place.
    const heading = sheet.querySelector("h2");
    heading.tabIndex = -1;
    heading.focus();
  }
  sheet.scrollTop = 0;
  // What scrolls must be reached by keys.
  for (const each of sheet.querySelectorAll("table")) {
    if (each.scrollWidth > each.clientWidth) each.tabIndex = 0;
  }
};
if ("open" in sheet.dataset) openSheet();

document.addEventListener("htmx:after:swap", (event) => {
  failure.textContent = "";
  if (event.detail.ctx.target?.id === "sheet-content") openSheet();
  if (event.detail.ctx.target?.id === "answers") {
    const status = [...document.querySelectorAll(".status p:first-child")];
    announce(status.map((each) => each.textContent.replace(/\s+/g, " ")).join("; "));
  }
});

// A closed sheet leaves the link of the page without it.
sheet.addEventListener("close", () => {
  const url = new URL(location.href);
  url.searchParams.delete("explain");
  url.searchParams.delete("side");
  history.replaceState(history.state, "", url);
});
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) sheet.close();
});

const failed = (text) => {
  failure.textContent = text;
};
document.addEventListener("htmx:error", () => failed("The server does not answer."));
document.addEventListener("htmx:response:error", (event) => {
  const { status } = event.detail.ctx.response;
  if (status >= 500) failed(`The server failed (${status}). Its log says why.`);
});

document.addEventListener("keydown", (event) => {
  if (sheet.open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) return;
  const links = [...document.querySelectorAll("a.explain")];
  const at = links.indexOf(document.activeElement);
  if (event.key === "/") document.getElementById("q").select();
  else if (event.key === "j") links[Math.min(at + 1, links.length - 1)]?.focus();
  else if (event.key === "k") links[Math.max(at - 1, 0)]?.focus();
  else return;
  event.preventDefault();
});
