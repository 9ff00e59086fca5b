// A reading: its answer is kept at every change, its time is told to the server, which alone reckons it.
"use strict";

class Sitting {
  static ALIVE_MS = 10_000;
  static SETTLED_MS = 400;
  static IDLE_MS = 300_000; // as alnus.serve.readers.timing

  constructor() {
    const page = document.getElementById("reading");
    this.address = `/reading/${page.dataset.reading}`;
    this.csrf = page.dataset.csrf;
    this.say = words();
    this.form = document.getElementById("answer");
    this.stage = document.getElementById("stage");
    this.isShown = false; // a frame was on the canvas
    this.isPaused = false; // by the reader
    this.isLeaving = false;
    this.touched = Date.now();
    this.last = Promise.resolve(); // one request after the other, so that none overtakes
    this.listen();
  }

  send(path, fields, options = {}) {
    const ask = () => fetch(`${this.address}/${path}`, {
      method: "POST", body: new URLSearchParams(fields), ...options, headers: { "x-csrf-token": this.csrf, ...options.headers },
    });
    this.last = this.last.then(ask, ask);
    return this.last;
  }

  tell(event, options) {
    if (!this.isShown || this.isLeaving) return;
    const headers = event === "alive" ? BY_ITSELF : {};
    this.send("timer", { event }, { headers, ...options }).then((answer) => { if (answer.status === 409) this.leave("/readings"); }, () => {});
  }

  leave(address) {
    this.isLeaving = true;
    location.assign(address);
  }

  get answer() {
    const filled = new FormData(this.form);
    return { call: filled.get("call") ?? "", suspicion: filled.get("suspicion") ?? "" };
  }

  changed() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.keep(), Sitting.SETTLED_MS);
  }

  async keep(options) {
    clearTimeout(this.settling);
    this.settling = undefined;
    const saved = document.getElementById("saved");
    if (!this.form.querySelector("[name=suspicion]").validity.badInput) {
      try {
        const answer = await this.send("draft", this.answer, options);
        saved.textContent = answer.ok ? `✓ ${this.say.kept}` : answer.status === 401 ? this.say.signin : (await answer.json()).detail;
      } catch {
        saved.textContent = this.say.lost;
      }
    }
  }

  shown() {
    if (this.isShown || document.hidden) return;
    this.isShown = true;
    this.tell("shown");
    this.touched = Date.now();
    setInterval(() => {
      if (document.hidden || this.isPaused) return;
      if (Date.now() - this.touched > Sitting.IDLE_MS) this.pause("idle");
      else this.tell("alive");
    }, Sitting.ALIVE_MS);
  }

  pause(why = "pause") {
    if (!this.isShown) return;
    this.isPaused = !this.isPaused;
    const button = document.getElementById("pause"), play = document.getElementById("play");
    if (this.isPaused && play.getAttribute("aria-pressed") === "true") play.click();
    button.textContent = this.isPaused ? button.dataset.go : button.dataset.pause;
    button.setAttribute("aria-pressed", String(this.isPaused));
    this.stage.classList.toggle("paused", this.isPaused);
    document.getElementById("stage-note").textContent = this.isPaused ? this.say[why === "idle" ? "idle" : "paused"] : "";
    this.touched = Date.now();
    this.tell(this.isPaused ? why : "resume");
  }

  listen() {
    const canvas = document.getElementById("canvas");
    const look = () => { if (Number(canvas.dataset.frame ?? -1) >= 0) this.shown(); };
    new MutationObserver(look).observe(canvas, { attributes: true, attributeFilter: ["data-frame"] });
    look();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { if (this.settling) this.keep(); if (!this.isPaused) this.tell("hidden"); }
      else if (!this.isShown) look();
      else if (!this.isPaused) this.tell("resume");
    });
    addEventListener("pagehide", () => {
      if (this.isLeaving) return;
      if (this.settling) this.keep({ keepalive: true });
      if (!this.isPaused) this.tell("hidden", { keepalive: true });
    });
    for (const kind of ["pointermove", "pointerdown", "keydown", "wheel"]) {
      document.addEventListener(kind, () => { this.touched = Date.now(); }, { capture: true, passive: true });
    }
    document.getElementById("pause").addEventListener("click", () => this.pause());
    const grade = document.getElementById("grade"), number = document.getElementById("suspicion");
    grade?.addEventListener("input", () => { number.value = grade.value; });
    number?.addEventListener("input", () => { if (number.value !== "") grade.value = number.value; });
    this.form.addEventListener("input", () => this.changed());
    // After a click the arrow keys step through the frames again, and do not change the answer.
    this.form.addEventListener("click", (event) => { if (event.detail > 0) event.target.closest("input[type=radio], input[type=range]")?.blur(); });
    this.form.addEventListener("submit", (event) => this.submit(event));
    document.addEventListener("keydown", (event) => this.key(event), true);
  }

  async submit(event) { // after what is under way, so that no draft comes after the lock
    event.preventDefault();
    if (this.isLeaving) return;
    clearTimeout(this.settling);
    await this.last.catch(() => {});
    this.isLeaving = true;
    this.form.submit();
  }

  call(value) {
    const wanted = this.form.querySelector(`[name=call][value="${value}"]`);
    wanted.checked = true;
    this.changed();
  }

  grade(value) {
    const number = document.getElementById("suspicion");
    if (number) {
      const wanted = Math.max(Number(number.min), Math.min(Number(number.max), value));
      number.value = wanted;
      document.getElementById("grade").value = wanted;
    } else {
      const wanted = this.form.querySelector(`[name=suspicion][value="${value}"]`);
      if (!wanted) return;
      wanted.checked = true;
    }
    this.changed();
  }

  step(by) {
    const { suspicion } = this.answer, all = [...this.form.querySelectorAll("[name=suspicion]")];
    const middle = all.length > 1 ? Math.ceil(all.length / 2) : 50;
    this.grade(suspicion === "" ? middle : Number(suspicion) + by);
  }

  digit(digit) {
    const isHundred = document.getElementById("suspicion") !== null;
    this.grade(isHundred ? 10 * digit : digit === 0 ? 10 : digit);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input[type=number], select, textarea")) return;
    const onControl = event.target.closest("button, a, summary");
    const acts = {
      n: () => this.call(0), m: () => this.call(1), p: () => this.pause(), "[": () => this.step(-1), "]": () => this.step(1),
      ...(onControl ? {} : { Enter: () => document.getElementById("lock").focus() }),
    };
    const act = /^[0-9]$/.test(event.key) ? () => this.digit(Number(event.key)) : acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }
}

document.addEventListener("DOMContentLoaded", () => new Sitting());
