// What every page needs: times in the reader's own zone, the words of the page, parts that are loaded anew.
"use strict";

const words = () => JSON.parse(document.getElementById("words")?.textContent ?? "{}");

function localTimes(root) {
  const shown = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) time.textContent = shown.format(new Date(time.dateTime));
}

// Load this page again and put its live parts (by id) in the place of the shown ones; return the loaded document.
async function refreshed(address, ids) {
  const answer = await fetch(address, { headers: { accept: "text/html" }, redirect: "manual" });
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
