// The pages work without it: it keeps them fresh and their addresses short, and adds keys.
"use strict";

// ------------------------------------------------------------ parts that stay fresh

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html; // the server's own templates, which escape whatever strangers said
  return template.content;
}

// Puts a fragment's children in place of those with the same key, and leaves alone what is the same or in use.
function renew(place, fragment) {
  const old = new Map([...place.children].map((child) => [child.dataset.key, child]));
  let before = null;
  for (const child of [...fragment.children]) {
    const known = old.get(child.dataset.key);
    old.delete(child.dataset.key);
    const stays = known && (known.outerHTML === child.outerHTML || known.contains(document.activeElement));
    const next = stays ? known : child;
    if (known && !stays) known.replaceWith(next);
    const wanted = before ? before.nextSibling : place.firstChild;
    if (wanted !== next) place.insertBefore(next, wanted);
    if (stays) renewParts(known, child);
    before = next;
  }
  for (const gone of old.values()) gone.remove();
}

// Of a card in which somebody types, the parts that they do not type in.
function renewParts(known, fresh) {
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const mine = known.querySelector(`[data-part="${part.dataset.part}"]`);
    if (mine && !mine.contains(document.activeElement) && mine.innerHTML !== part.innerHTML) mine.replaceWith(part);
  }
}

function follow(place) {
  const stream = new EventSource(place.dataset.stream);
  stream.onmessage = (event) => renew(place, parsed(event.data));
  stream.addEventListener("kept", refreshHistory);
  stream.addEventListener("over", () => stream.close());
  addEventListener("pagehide", () => stream.close());
}

async function refreshHistory() {
  const place = document.getElementById("history");
  const address = new URL(location.href);
  if (!place || address.searchParams.has("after") || place.contains(document.activeElement)) return;
  address.searchParams.set("part", "history");
  const answer = await fetch(address);
  if (!answer.ok) return;
  place.replaceChildren(parsed(await answer.text()));
}

function tick() {
  for (const place of document.querySelectorAll("[data-seconds]")) {
    const now = Number(place.dataset.seconds) + 1;
    place.dataset.seconds = now;
    place.textContent = `${Math.floor(now / 60)}:${String(Math.floor(now % 60)).padStart(2, "0")}`;
  }
}

// ------------------------------------------------------------ keys, and asking once more

addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const place = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (place instanceof HTMLInputElement) {
    event.preventDefault();
    place.focus();
  } else if (event.key === "j" || event.key === "k") {
    const links = [...document.querySelectorAll("td.when a")];
    const at = links.indexOf(document.activeElement);
    links[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), links.length - 1)]?.focus();
  }
});

// An address has what was chosen, and no empty fields.
addEventListener("formdata", (event) => {
  if (event.target.method !== "get") return;
  for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
});

addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.ask || event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

for (const place of document.querySelectorAll("[data-stream]")) follow(place);
setInterval(tick, 1000);
