// What every page needs: times in the reader's own zone, the words of the page, parts that are loaded anew.
"use strict";

// What a page asks by itself keeps no session alive (alnus.serve.access.gate).
const BY_ITSELF = { "x-by-itself": "1" };

const words = () => JSON.parse(document.getElementById("words")?.textContent ?? "{}");

function localTimes(root) {
  const styled = (timeStyle) => new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle });
  const shown = styled("short"), exact = styled("medium");
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.textContent = ("exact" in time.dataset ? exact : shown).format(new Date(time.dateTime));
  }
}

// Load this page again and put its live parts (by id) in the place of the shown ones; return the loaded document.
async function refreshed(address, ids) {
  const answer = await fetch(address, { headers: { accept: "text/html", ...BY_ITSELF }, redirect: "manual" });
  if (answer.type === "opaqueredirect") location.reload(); // the session has ended, or a reading has begun
  if (!answer.ok) return null;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ids) {
    const fresh = page.getElementById(id), shown = document.getElementById(id);
    if (!fresh || !shown || fresh.outerHTML === shown.dataset.source) continue;
    const source = fresh.outerHTML;
    const open = [...shown.querySelectorAll("details")].map((one) => one.open);
    shown.replaceWith(document.adoptNode(fresh));
    fresh.querySelectorAll("details").forEach((one, place) => { one.open = open[place] ?? false; });
    fresh.dataset.source = source;
    localTimes(fresh);
  }
  return page;
}

document.addEventListener("DOMContentLoaded", () => localTimes(document));
