"""From the last byte received to the result: `alnus serve` with the full-size TIN, one client and twenty at once.

It starts the server as a user would, uploads 60-frame 640x480 cines over HTTP, and asks as the page does until the
score is there, then the heat. Beside wall time it states the processor time of the server and its decoding processes,
which other work on the machine does not change. Memory is the largest sum of resident sets that was seen.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar
from pathlib import Path
from statistics import median

import av
import numpy as np

PASSWORD = "benchmark password"
FRAMES, HEIGHT, WIDTH, RATE_HZ = 60, 480, 640, 20


def write_model(folder: Path) -> Path:
    """Save the default TIN with random weights: its answers mean nothing, its time is the same."""
    from alnus.config import resolve
    from alnus.models import ModelCard, build_from_config, save_model

    network = resolve({"cohort": "none.csv", "out": "none", "models": ["tin"]}, origin="benchmark").networks["tin"]
    network = network.model_copy(update={"weights": None})
    save_model(folder, build_from_config("tin", network), ModelCard(name="tin", source="tin", network=network))
    return folder


def cine(path: Path, seed: int) -> bytes:
    """Return a cine of speckle that moves, as Motion JPEG in AVI."""
    generator = np.random.default_rng(seed)
    wide = generator.rayleigh(40, (HEIGHT, WIDTH + FRAMES)).clip(0, 255).astype(np.uint8)
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=RATE_HZ)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(wide[:, number : number + WIDTH]), format="gray")
            container.mux(stream.encode(frame.reformat(format="yuvj420p")))
        container.mux(stream.encode())
    return path.read_bytes()


class Server:
    """`alnus serve` in a process of its own; processor time and memory are those of it and its children."""

    def __init__(self, model: Path, folder: Path, port: int) -> None:
        (folder / "password").write_text(PASSWORD)
        command = [sys.executable, "-m", "alnus.cli", "serve", str(model), "--data", str(folder / "room")]
        command += ["--port", str(port), "--password-file", str(folder / "password")]
        self.url = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self.most_bytes = 0
        self._watch = threading.Thread(target=self._watched, daemon=True)
        self._watch.start()

    def _processes(self) -> list[int]:
        children: dict[int, list[int]] = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
        found, waiting = [], [self.process.pid]
        while waiting:
            found.append(waiting.pop())
            waiting += children.get(found[-1], [])
        return found

    def processor_s(self) -> float:
        """Return the processor seconds so far."""
        total = 0
        for pid in self._processes():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def _watched(self) -> None:
        while self.process.poll() is None:
            total = 0
            for pid in self._processes():
                try:
                    total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                except OSError:
                    continue
            self.most_bytes = max(self.most_bytes, total)
            time.sleep(0.2)


class Client:
    """A browser's requests."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        form = re.search('name="form" value="([^"]+)"', self.get("/login"))
        assert form is not None
        fields = {"name": "admin", "password": PASSWORD, "form": form[1], "next": "/account"}
        page = self.opener.open(f"{url}/login", urllib.parse.urlencode(fields).encode()).read().decode()
        csrf = re.search('name="csrf" value="([^"]+)"', page)
        assert csrf is not None
        self.csrf = csrf[1]

    def get(self, path: str) -> str:
        """Return a page's text."""
        text: str = self.opener.open(f"{self.url}{path}").read().decode()
        return text

    def upload(self, content: bytes) -> str:
        """Upload a file; return its case."""
        request = urllib.request.Request(f"{self.url}/uploads", content, {"x-csrf-token": self.csrf})
        case: str = json.loads(self.opener.open(request).read())["case"]
        return case

    def wait(self, case: str, states: tuple[str, ...]) -> None:
        """Ask every 50 ms until a case's video has come so far."""
        while True:
            (state,) = json.loads(self.get(f"/cases/{case}/status"))["videos"].values()
            assert state not in ("failed", "dead"), state
            if state in states:
                return
            time.sleep(0.05)


SCORED = ("scored", "explained", "returned")


def one_by_one(server: Server, client: Client, cines: list[bytes]) -> dict[str, float]:
    """Return medians over cines that come one after another."""
    rows = []
    for content in cines:
        before, began = server.processor_s(), time.perf_counter()
        case = client.upload(content)
        client.wait(case, SCORED)
        client.get(f"/cases/{case}")
        scored, used = time.perf_counter() - began, server.processor_s() - before
        client.wait(case, SCORED[1:])
        rows.append((scored, used, time.perf_counter() - began, server.processor_s() - before))
    names = ("score_s", "score_processor_s", "heat_s", "heat_processor_s")
    return {name: round(median(values), 2) for name, values in zip(names, zip(*rows, strict=True), strict=True)}


def together(server: Server, clients: list[Client], cines: list[bytes]) -> dict[str, float]:
    """Return what twenty clients find that upload at one moment."""
    began = time.perf_counter()

    def task(client: Client, content: bytes) -> tuple[float, float]:
        case = client.upload(content)
        taken = time.perf_counter() - began
        client.wait(case, ("returned",))
        return taken, time.perf_counter() - began

    with ThreadPoolExecutor(len(cines)) as pool:
        rows = list(pool.map(task, clients, cines))
    return {
        "clients": len(cines),
        "last_upload_s": round(max(taken for taken, _ in rows), 2),
        "drained_s": round(max(done for _, done in rows), 2),
        "most_memory_mb": round(server.most_bytes / 2**20),
    }


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--cines", type=int, default=5, help="one after another")
    parser.add_argument("--model", type=Path, help="a model's directory, instead of the full-size TIN")
    parser.add_argument("--port", type=int, default=8791)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = options.model or write_model(folder / "tin")
        cines = [cine(folder / "cine.avi", seed) for seed in range(options.cines + options.clients)]
        server = Server(model, folder, options.port)
        try:
            while True:
                try:
                    client = Client(server.url)
                    break
                except OSError:
                    assert server.process.poll() is None, "the server ended"
                    time.sleep(0.2)
            client.wait(client.upload(cine(folder / "first.avi", 1000)), ("returned",))  # what is prepared is prepared
            found: dict[str, dict[str, float]] = {"one": one_by_one(server, client, cines[: options.cines])}
            if options.clients:
                clients = [client] + [Client(server.url) for _ in range(options.clients - 1)]
                found["together"] = together(server, clients, cines[options.cines :])
        finally:
            server.process.terminate()
            server.process.wait()
    load = os.getloadavg()[0]
    print(json.dumps(found | {"cores": os.cpu_count(), "load_average": round(load, 1)}, indent=2))


if __name__ == "__main__":
    main()
