// The worklist follows what is being worked on, for as long as something is.
"use strict";

function follow() {
  const busy = document.getElementById("rows")?.dataset.busy === "1";
  setTimeout(async () => {
    if (!document.hidden && !document.activeElement?.closest("#rows")) {
      try { await refreshed(location.href, ["rows"]); } catch { /* the server is away for a moment */ }
    }
    follow();
  }, busy ? 1500 : 3000);
}

document.addEventListener("DOMContentLoaded", follow);
