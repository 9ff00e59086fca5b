// Drop or choose files, or drop folders; each file goes up by itself, three at a time, with its progress, and ends in a
// link to its case.
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
      const code = document.getElementById("code").value.trim();
      if (code) row.querySelector(".whose").textContent = `${say.whose} ${code}`;
      if (file.size > Number(box.dataset.most)) failed(row, say.large);
      else waiting.push({ file, row, batch, code, tries: 0 });
    }
    next();
  }

  function failed(row, why) {
    row.classList.add("failed");
    row.querySelector(".what").textContent = `${say.failed}: ${why}`;
  }

  // The files of what was dropped; of folders those in them, however deep.
  async function dropped(items) {
    const entries = [...items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
    const found = [];
    const take = async (entry) => {
      if (entry instanceof File) found.push(entry);
      else if (entry.isFile) found.push(await new Promise((done, lost) => entry.file(done, lost)));
      else if (entry.isDirectory) {
        const reader = entry.createReader();
        for (;;) { // a part of the folder each time
          const part = await new Promise((done, lost) => reader.readEntries(done, lost));
          if (!part.length) break;
          for (const one of part) await take(one);
        }
      }
    };
    for (const entry of entries) await take(entry);
    return found;
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
      failed(one.row, request.status === 401 ? say.signin : request.status === 0 ? say.offline : answer.detail ?? request.status);
    }
  }

  document.getElementById("files").addEventListener("change", (event) => { add(event.target.files); event.target.value = ""; });
  for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", async (event) => {
    event.preventDefault();
    const files = event.dataTransfer.files;
    add(await dropped(event.dataTransfer.items).catch(() => files));
  });
  addEventListener("beforeunload", (event) => { if (running || waiting.length) event.preventDefault(); }); // the browser asks
});
