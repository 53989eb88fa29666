// What the server renders works without this. With it, reasons open in place, and change as soon as a part is left out.
"use strict";

async function part(url) {
  const answer = await fetch(url, { headers: { "X-Part": "1", Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector(".reasons") || page.querySelector("main") || page.body;
}

async function open_reasons(link) {
  const card = link.closest(".card");
  const shown = card.querySelector(".reasons");
  if (shown) { shown.remove(); return; }
  link.setAttribute("aria-busy", "true");
  card.append(await part(link.href));
  link.removeAttribute("aria-busy");
}

let latest = 0;
async function ask_again(form) {
  const mine = ++latest;
  const place = form.closest(".reasons");
  const focused = document.activeElement && document.activeElement.value;
  const was_open = place.querySelector("details").open;
  const fresh = await part(`${form.action}?${new URLSearchParams(new FormData(form))}`);
  if (mine !== latest) return;  // another part was left out meanwhile
  place.querySelector(".live").replaceWith(fresh.querySelector(".live"));
  for (const name of ["form", ".words", "details"]) {
    const old = place.querySelector(name), now = fresh.querySelector(name);
    if (old && now) old.replaceWith(now);
  }
  place.querySelector("details").open = was_open;
  const box = place.querySelector(`input[type=checkbox][value="${focused}"]`);
  if (box) box.focus();
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.why");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  open_reasons(link);
});
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-part]");
  if (form) ask_again(form);
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("form[data-part]")) { event.preventDefault(); ask_again(form); }
  if (form.dataset.sure && !window.confirm(form.dataset.sure)) event.preventDefault();
});
