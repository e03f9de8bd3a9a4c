// What all pages share: copying texts and links, and saying what was done.
"use strict";

const announce = (text) => {
  document.getElementById("announced").textContent = text;
};

const copy = async (text) => {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  // Without a secure connection there is no clipboard but by a selection.
  const area = document.createElement("textarea");
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-link]");
  if (!button) return;
  const link = button.dataset.copyLink;
  const text = link
    ? new URL(link, location.href).href
    : document.getElementById(button.dataset.copy).textContent;
  const label = button.textContent;
  try {
    await copy(text);
    button.textContent = "Copied";
    announce("Copied");
  } catch {
    button.textContent = "Not allowed";
    announce("The browser does not allow copying");
  }
  setTimeout(() => (button.textContent = label), 1500);
});
