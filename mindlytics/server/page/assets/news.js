// Brings what is new into an open page. The server makes the HTML, as for any page.
import { showTimes } from "./times.js";

const OVERLAP = 20; // steps that are read again, since events may arrive in another order than that of their times

export async function updateList() {
  const found = await read(location.href);
  const list = document.getElementById("list");
  const now = found.getElementById("list");
  if (list.tagName !== "TABLE" || now.tagName !== "TABLE") {
    list.replaceWith(now);
    return;
  }
  const shown = new Map([...list.tBodies[0].rows].map((row) => [row.dataset.id, row]));
  let added = 0;
  const rows = [...now.tBodies[0].rows].map((row) => {
    const old = shown.get(row.dataset.id);
    if (old && old.innerHTML === row.innerHTML) {
      return old;
    }
    row.classList.add("arrived");
    added += old ? 0 : 1;
    keepFocus(old, row);
    return row;
  });
  const focused = document.activeElement;
  list.tBodies[0].replaceChildren(...rows);
  (rows.some((row) => row.contains(focused)) ? focused : document.querySelector("[data-focus]"))?.focus({ preventScroll: true });
  document.querySelector("[data-focus]")?.removeAttribute("data-focus");
  if (added) {
    document.getElementById("news").textContent = added === 1 ? "One new session" : `${added} new sessions`;
  }
}

export async function updateSteps() {
  const steps = document.getElementById("steps");
  let more = true;
  while (more) {
    const from = steps.children[Math.max(steps.children.length - OVERLAP, 0)];
    const before = steps.children.length;
    const address = new URL(location.href);
    address.searchParams.delete("last");
    if (from) {
      address.searchParams.set("after", from.dataset.place);
    }
    const found = await read(address);
    const below = innerHeight + scrollY >= document.documentElement.scrollHeight - 100;
    for (const step of [...found.getElementById("steps").children]) {
      if (!document.getElementById(step.id)) {
        step.classList.add("arrived");
        insert(steps, step);
      }
    }
    replaceFacts(found);
    if (below && steps.children.length > before) {
      scrollTo({ top: document.documentElement.scrollHeight });
    }
    more = found.querySelector("[rel=next]") !== null && steps.children.length > before;
  }
}

async function read(address) {
  const reply = await fetch(address, { headers: { Accept: "text/html" } });
  if (!reply.ok) {
    throw new Error(`${reply.status}`);
  }
  const found = new DOMParser().parseFromString(await reply.text(), "text/html");
  showTimes(found);
  return found;
}

function insert(steps, step) {
  let next = null;
  for (let last = steps.lastElementChild; last && isLater(last, step); last = last.previousElementSibling) {
    next = last;
  }
  steps.insertBefore(step, next);
}

function isLater(one, other) {
  const [at, seq] = one.dataset.place.split(".").map(BigInt);
  const [otherAt, otherSeq] = other.dataset.place.split(".").map(BigInt);
  return at > otherAt || (at === otherAt && seq > otherSeq);
}

function replaceFacts(found) {
  const facts = document.getElementById("facts");
  const now = found.getElementById("facts");
  if (facts.innerHTML === now.innerHTML) {
    return;
  }
  const focusable = "a, summary";
  const focused = [...facts.querySelectorAll(focusable)].indexOf(document.activeElement);
  now.querySelectorAll("details").forEach((each, index) => {
    each.open = facts.querySelectorAll("details")[index]?.open ?? false;
  });
  facts.replaceWith(now);
  now.querySelectorAll(focusable)[focused]?.focus({ preventScroll: true });
}

function keepFocus(old, row) {
  const links = old ? [...old.querySelectorAll("a")] : [];
  const index = links.indexOf(document.activeElement);
  if (index >= 0) {
    row.querySelectorAll("a")[index]?.setAttribute("data-focus", "");
  }
}
