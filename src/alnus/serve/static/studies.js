// A file that is chosen is read into the text field beside it, where it can be looked at before it is sent.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  for (const chooser of document.querySelectorAll("input[type=file][data-into]")) {
    chooser.addEventListener("change", async () => {
      if (chooser.files.length) document.getElementById(chooser.dataset.into).value = await chooser.files[0].text();
    });
  }
  const list = document.querySelector("input[name=take][value=list]"), ticked = document.querySelector("input[name=take][value=chosen]");
  document.getElementById("listing")?.addEventListener("input", () => { list.checked = true; });
  for (const one of document.querySelectorAll("input[name=chosen]")) one.addEventListener("change", () => { ticked.checked = true; });
});
