// The cine at its own times, each frame exact, with the network's heat over it.
"use strict";

// Frames of one video: packs of JPEG are fetched in turn, the few bitmaps around the shown frame are kept decoded.
class Cine {
  static PACK = 32;
  static DECODED = 96;
  static MOST_BYTES = 512 * 2 ** 20;

  constructor(address, frames) {
    this.address = address;
    this.frames = frames;
    this.packs = new Map();
    this.bitmaps = new Map();
    this.bytes = 0;
  }

  async pack(number) {
    if (!this.packs.has(number)) this.packs.set(number, this.fetched(number));
    const found = this.packs.get(number);
    this.packs.delete(number);
    this.packs.set(number, found); // the last used is the last to go
    return found;
  }

  async fetched(number) {
    try {
      const first = number * Cine.PACK;
      const answer = await fetch(`${this.address}/frames?first=${first}&count=${Cine.PACK}`);
      if (!answer.ok) throw new Error(String(answer.status));
      const buffer = await answer.arrayBuffer(), view = new DataView(buffer), blobs = [];
      for (let at = 0; at < buffer.byteLength;) {
        const length = view.getUint32(at, true);
        blobs.push(new Blob([new Uint8Array(buffer, at + 4, length)], { type: "image/jpeg" }));
        at += 4 + length;
      }
      this.bytes += buffer.byteLength;
      while (this.bytes > Cine.MOST_BYTES && this.packs.size > 2) {
        const [oldest, promise] = this.packs.entries().next().value;
        this.packs.delete(oldest);
        promise.then((lost) => { this.bytes -= lost.reduce((sum, blob) => sum + blob.size, 0); });
      }
      return blobs;
    } catch (error) {
      this.packs.delete(number);
      throw error;
    }
  }

  async frame(index) {
    if (!this.bitmaps.has(index)) this.bitmaps.set(index, this.decoded(index));
    if (this.bitmaps.size > Cine.DECODED) {
      const far = [...this.bitmaps.keys()].sort((a, b) => this.distance(b, index) - this.distance(a, index));
      for (const one of far.slice(0, this.bitmaps.size - Cine.DECODED)) {
        this.bitmaps.get(one).then((bitmap) => bitmap.close(), () => {});
        this.bitmaps.delete(one);
      }
    }
    return this.bitmaps.get(index);
  }

  distance(frame, from) { return (frame - from + this.frames) % this.frames; } // ahead of it, round the end

  async decoded(index) {
    try {
      const blobs = await this.pack(Math.floor(index / Cine.PACK));
      return await createImageBitmap(blobs[index % Cine.PACK]);
    } catch (error) {
      this.bitmaps.delete(index);
      throw error;
    }
  }

  async lossless(index) {
    const answer = await fetch(`${this.address}/frames/${index}.png`);
    return answer.ok ? createImageBitmap(await answer.blob()) : null;
  }
}

// The heat of every frame: a byte a pixel, drawn in colours from dark to bright, see-through where there is none.
class Heat {
  static STOPS = [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164]];

  static async loaded(address, network) {
    const answer = await fetch(`${address}/heat/${network}`);
    if (!answer.ok) return null;
    const buffer = await answer.arrayBuffer(), head = new DataView(buffer);
    return new Heat(new Uint8Array(buffer, 12), head.getUint32(4, true), head.getUint32(8, true));
  }

  constructor(values, height, width) {
    this.values = values;
    this.height = height;
    this.width = width;
    this.canvas = new OffscreenCanvas(width, height);
    this.context = this.canvas.getContext("2d");
    this.image = this.context.createImageData(width, height);
    this.shown = -1;
  }

  static colour(level) {
    const at = (level / 255) * (Heat.STOPS.length - 1), below = Math.min(Math.floor(at), Heat.STOPS.length - 2), share = at - below;
    return Heat.STOPS[below].map((value, place) => value + share * (Heat.STOPS[below + 1][place] - value));
  }

  static palette = (() => {
    const colours = new Uint8ClampedArray(1024);
    for (let level = 0; level < 256; level += 1) colours.set([...Heat.colour(level), level], 4 * level);
    return new Uint32Array(colours.buffer);
  })();

  picture(frame) {
    if (frame !== this.shown) {
      const pixels = new Uint32Array(this.image.data.buffer), size = this.width * this.height;
      for (let at = 0; at < size; at += 1) pixels[at] = Heat.palette[this.values[frame * size + at]];
      this.context.putImageData(this.image, 0, 0);
      this.shown = frame;
    }
    return this.canvas;
  }
}

class Viewer {
  constructor(data) {
    this.data = data;
    this.say = words();
    this.address = data.at ?? `/videos/${data.video}`; // a reader study's says nothing about the video
    this.cine = new Cine(this.address, data.frames);
    this.canvas = document.getElementById("canvas");
    this.context = this.canvas.getContext("2d");
    this.heats = new Map();
    this.index = 0;
    this.shown = -1; // the frame that is on the canvas
    this.isPlaying = false;
    this.canvas.width = data.width;
    this.canvas.height = data.height;
    document.getElementById("seek").max = data.frames - 1;
    this.listen();
    this.useNetwork();
    this.show(0).then(() => {
      if (data.frames > 1 && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
      else this.sharpen();
    });
  }

  get network() {
    const chosen = document.getElementById("network")?.value;
    return this.data.networks.find((one) => one.key === chosen) ?? this.data.networks[0];
  }

  get duration() { // of the cine in seconds, the last frame as long as the others
    const times = this.data.times_s, last = times[times.length - 1];
    return times.length > 1 ? last + last / (times.length - 1) : 1;
  }

  async useNetwork() {
    const network = this.network;
    this.drawCurve();
    if (!network || network.keyframe === null) return;
    if (!this.heats.has(network.key)) this.heats.set(network.key, await Heat.loaded(this.address, network.key));
    this.draw();
  }

  // A newer state of the same video: its heat may be there by now.
  update(data) {
    this.data = data;
    for (const [key, heat] of this.heats) if (heat === null) this.heats.delete(key);
    this.useNetwork();
  }

  async show(index) {
    this.index = Math.max(0, Math.min(this.data.frames - 1, index));
    const wanted = this.index;
    try {
      const bitmap = await this.cine.frame(wanted);
      if (wanted !== this.index) return;
      this.bitmap = bitmap;
      this.shown = wanted;
      this.draw();
      this.cine.frame((wanted + 1) % this.data.frames).catch(() => {});
    } catch {
      document.getElementById("stage-note").textContent = this.say.gone;
    }
  }

  draw() {
    if (this.bitmap) {
      this.context.globalAlpha = 1;
      try { this.context.drawImage(this.bitmap, 0, 0, this.canvas.width, this.canvas.height); } catch { return; }
      const heat = this.heats.get(this.network?.key);
      if (heat && document.getElementById("heat").checked) {
        this.context.globalAlpha = Number(document.getElementById("opacity").value) / 100;
        this.context.drawImage(heat.picture(this.shown), 0, 0, this.canvas.width, this.canvas.height);
      }
    }
    this.canvas.dataset.frame = this.shown;
    this.tell();
  }

  tell() {
    const seek = document.getElementById("seek"), { frames, times_s: times } = this.data;
    const weight = this.network?.importance[this.shown];
    const weighed = weight === undefined ? "" : ` · ${this.say.weighs} ${(100 * weight).toFixed(1)}%`;
    seek.value = this.shown;
    seek.setAttribute("aria-valuetext", `${this.say.frame} ${this.shown + 1} ${this.say.of} ${frames}`);
    document.getElementById("where").textContent = `${this.shown + 1} / ${frames} · ${(times[this.shown] ?? 0).toFixed(2)} s${weighed}`;
    const line = document.getElementById("curve").querySelector(".now");
    if (line) for (const end of ["x1", "x2"]) line.setAttribute(end, this.across(this.shown));
  }

  across(frame) { return (1000 * (frame + 0.5)) / this.data.frames; }

  drawCurve() {
    const curve = document.getElementById("curve"), network = this.network, weights = network?.importance ?? [];
    const made = (kind, values) => {
      const one = document.createElementNS("http://www.w3.org/2000/svg", kind);
      for (const [name, value] of Object.entries(values)) one.setAttribute(name, value);
      return one;
    };
    const parts = [];
    const most = Math.max(...weights, 0);
    document.getElementById("no-heat")?.toggleAttribute("hidden", !(weights.length && most === 0));
    if (most > 0) {
      const points = weights.map((weight, frame) => `${this.across(frame).toFixed(1)},${(96 - (90 * Math.max(weight, 0)) / most).toFixed(1)}`);
      parts.push(made("polygon", { points: `0,98 ${points.join(" ")} 1000,98`, class: "area" }));
      const at = this.across(network.keyframe);
      parts.push(made("line", { x1: at, x2: at, y1: 0, y2: 98, class: "keyframe" }));
    }
    parts.push(made("line", { x1: 0, x2: 0, y1: 0, y2: 98, class: "now" }));
    curve.replaceChildren(...parts);
  }

  play() {
    if (this.isPlaying || this.data.frames < 2) return;
    this.isPlaying = true;
    this.buttons();
    let began = null;
    const step = async (now) => {
      if (!this.isPlaying) return;
      const speed = Number(document.getElementById("speed").value);
      if (began === null || speed !== this.speed) {
        began = now - (1000 * this.data.times_s[this.index]) / speed;
        this.speed = speed;
      }
      const at = (((now - began) * speed) / 1000) % this.duration, wanted = this.frameAt(at);
      if (wanted !== this.index || this.shown < 0) {
        const asked = performance.now();
        await this.show(wanted);
        if (performance.now() - asked > 200) began = null; // it had to be loaded: go on from here
      }
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  frameAt(time) { // the last frame that had begun
    let low = 0, high = this.data.frames - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.data.times_s[middle] <= time) low = middle; else high = middle - 1;
    }
    return low;
  }

  pause() {
    this.isPlaying = false;
    this.buttons();
    this.sharpen();
  }

  // A frame that stands still is loaded again without loss.
  sharpen() {
    clearTimeout(this.sharpening);
    this.sharpening = setTimeout(async () => {
      const wanted = this.shown;
      if (this.isPlaying || wanted < 0) return;
      const exact = await this.cine.lossless(wanted).catch(() => null);
      if (exact && wanted === this.shown && !this.isPlaying) {
        this.bitmap = exact;
        this.canvas.dataset.lossless = wanted;
        this.draw();
      }
    }, 150);
  }

  buttons() {
    const play = document.getElementById("play");
    play.textContent = this.isPlaying ? play.dataset.pause : play.dataset.play;
    play.setAttribute("aria-pressed", String(this.isPlaying));
  }

  async go(index) {
    this.isPlaying = false;
    this.buttons();
    await this.show(index);
    this.sharpen();
  }

  listen() {
    const on = (id, kind, act) => document.getElementById(id)?.addEventListener(kind, act);
    on("play", "click", () => (this.isPlaying ? this.pause() : this.play()));
    on("back", "click", () => this.go(this.index - 1));
    on("next", "click", () => this.go(this.index + 1));
    on("key", "click", () => this.goToKeyframe());
    on("seek", "input", (event) => this.go(Number(event.target.value)));
    on("heat", "change", () => this.draw());
    on("opacity", "input", () => this.draw());
    on("network", "change", () => this.useNetwork());
    const curve = document.getElementById("curve");
    const seek = (event) => {
      const box = curve.getBoundingClientRect();
      this.go(Math.floor(((event.clientX - box.left) / box.width) * this.data.frames));
    };
    curve.addEventListener("pointerdown", (event) => { curve.setPointerCapture(event.pointerId); seek(event); });
    curve.addEventListener("pointermove", (event) => { if (event.buttons) seek(event); });
    document.addEventListener("keydown", (event) => this.key(event));
  }

  goToKeyframe() {
    const frame = this.network?.keyframe;
    if (Number.isInteger(frame)) this.go(frame);
  }

  key(event) {
    const typing = event.target.closest("input:not([type=range]):not([type=checkbox]), select, textarea");
    if (typing || event.ctrlKey || event.altKey || event.metaKey) return;
    const isRange = event.target.matches("input[type=range]");
    const more = (by) => {
      const opacity = document.getElementById("opacity");
      if (!opacity) return; // where no heat is shown
      opacity.value = Number(opacity.value) + by;
      this.draw();
    };
    const toggle = () => {
      const heat = document.getElementById("heat");
      if (!heat) return;
      heat.checked = !heat.checked;
      this.draw();
    };
    const acts = {
      h: toggle, k: () => this.goToKeyframe(), "+": () => more(10), "=": () => more(10), "-": () => more(-10),
      ...(isRange ? {} : {
        ArrowLeft: () => this.go(this.index - 1), ArrowRight: () => this.go(this.index + 1),
        Home: () => this.go(0), End: () => this.go(this.data.frames - 1),
      }),
      ...(event.target.closest("button, a, summary, input[type=checkbox]") ? {} : { " ": () => (this.isPlaying ? this.pause() : this.play()) }),
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (act) {
      event.preventDefault();
      act();
    }
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const meta = document.getElementById("meta"), read = (page) => JSON.parse(page.getElementById("data").textContent);
  let data = read(document), viewer = data.frames ? new Viewer(data) : null, states = "";

  // While something is worked on: look how far it has come, and load the parts of the page that have changed. What has
  // just changed is soon followed by more; a job that waits to be tried again is asked for less and less often.
  let wait_ms = 300;
  async function follow() {
    let busy = true;
    wait_ms = Math.min(1.2 * wait_ms, 5000);
    try {
      const answer = await fetch(`/cases/${meta.dataset.case}/status`, { headers: BY_ITSELF });
      if (answer.status === 401) { location.reload(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      const status = await answer.json(), now = JSON.stringify(status);
      busy = status.busy;
      if (now !== states) {
        wait_ms = 300;
        const page = await refreshed(`${location.pathname}?video=${meta.dataset.video}&live=1`, ["state", "reason", "verdict", "videos"]);
        if (page) {
          states = now;
          data = read(page);
          document.getElementById("stage-note").textContent = page.getElementById("stage-note").textContent;
          if (viewer) viewer.update(data);
          else if (data.frames) viewer = new Viewer(data);
          if (page.getElementById("network") && !document.getElementById("network")) location.reload();
        } else busy = true;
      }
    } catch { /* the server is away for a moment */ }
    if (busy) setTimeout(follow, wait_ms);
  }
  if (meta.dataset.busy === "1") follow();
});
