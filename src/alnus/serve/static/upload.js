// Drop or choose files; each goes up by itself, three at a time, with its progress, and ends in a link to its case.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("upload"), drop = document.getElementById("drop");
  const list = document.getElementById("list"), say = words();
  const waiting = [];
  let running = 0;
  const AT_ONCE = 3, MOST_TRIES = 20;

  function add(files) {
    const batch = document.getElementById("together").checked ? crypto.getRandomValues(new Uint32Array(4)).join("-") : "";
    for (const file of files) {
      const row = document.getElementById("row").content.firstElementChild.cloneNode(true);
      row.querySelector(".name").textContent = file.name;
      row.querySelector(".what").textContent = say.waiting;
      row.querySelector("progress").setAttribute("aria-label", file.name);
      list.append(row);
      waiting.push({ file, row, batch, code: document.getElementById("code").value, tries: 0 });
    }
    next();
  }

  function next() {
    while (running < AT_ONCE && waiting.length) {
      running += 1;
      send(waiting.shift());
    }
  }

  function send(one) {
    const request = new XMLHttpRequest(), what = one.row.querySelector(".what"), bar = one.row.querySelector("progress");
    what.textContent = say.sending;
    request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = (100 * event.loaded) / event.total; });
    request.upload.addEventListener("load", () => { what.textContent = say.checking; });
    request.addEventListener("loadend", () => { running -= 1; ended(one, request); next(); });
    request.open("POST", "/uploads");
    request.setRequestHeader("content-type", "application/octet-stream");
    request.setRequestHeader("x-csrf-token", box.dataset.csrf);
    if (one.code) request.setRequestHeader("x-patient", encodeURIComponent(one.code));
    if (one.batch) request.setRequestHeader("x-batch", one.batch);
    request.send(one.file);
  }

  function ended(one, request) {
    const what = one.row.querySelector(".what"), bar = one.row.querySelector("progress");
    let answer = {};
    try { answer = JSON.parse(request.responseText); } catch { /* no answer of ours */ }
    if (request.status === 201) {
      bar.value = 100;
      const link = document.createElement("a");
      link.href = `/cases/${answer.case}`;
      link.textContent = `${say.open} ${answer.case}`;
      what.replaceChildren(link, answer.videos.every((video) => !video.is_new) ? ` (${say.again})` : "");
      one.row.classList.add("done");
    } else if (request.status === 503 && one.tries < MOST_TRIES) {
      one.tries += 1;
      what.textContent = say.waiting;
      setTimeout(() => { waiting.push(one); next(); }, 1000 * Number(request.getResponseHeader("retry-after") ?? 20));
    } else {
      one.row.classList.add("failed");
      what.textContent = request.status === 401 ? say.signin : `${say.failed}: ${answer.detail ?? request.status}`;
    }
  }

  document.getElementById("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); add(event.dataTransfer.files); });
});
