"""Drives a headless Chromium through its debugging pipe, so that pages are tested as readers see them.

The Chrome DevTools Protocol over `--remote-debugging-pipe`: JSON messages, each ended by a NUL byte, on the file descriptors
3 (to the browser) and 4 (from it). No port is opened and no package is needed.
"""

import base64
import itertools
import json
import os
import select
import subprocess
import time
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "Space": 32, "ArrowLeft": 37}


class Browser:
    """A browser with one page.

    Attributes:
      errors: messages of the console at level error, exceptions, and requests to anything but files and `data:`.
    """

    def __init__(self, program: str, profile: Path, timeout_s: float = 60):
        self.errors: list[str] = []
        self._timeout_s, self._numbers, self._pending, self._events = timeout_s, itertools.count(1), b"", []
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        # The browser looks for the pipe at 3 and 4; a shell puts it there, whatever its numbers are here.
        command = [program, "--headless", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run"]
        command += ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_browser} 4>&{from_browser}', "bash", *command],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        target = self._call("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    _session: str | None = None

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)
        os.close(self._write)
        os.close(self._read)

    def open(self, path: Path) -> None:
        """Shows a file and waits until all of it is loaded."""
        self._events.clear()
        self._call("Page.navigate", {"url": path.absolute().as_uri()})
        self._wait_for("Page.loadEventFired")

    def evaluate(self, javascript: str):
        """Returns the value of an expression in the page."""
        answer = self._call("Runtime.evaluate", {"expression": javascript, "returnByValue": True, "awaitPromise": True})
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        """Presses and releases a key, as a keyboard does."""
        event = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        text = {"Space": " ", "Enter": "\r"}.get(key)
        self._call("Input.dispatchKeyEvent", {"type": "keyDown", **event} | ({"text": text} if text else {}))
        self._call("Input.dispatchKeyEvent", {"type": "keyUp", **event})

    def emulate(self, width: int = 1280, height: int = 900, dark: bool = False, media: str = "") -> None:
        """Sets the window, the color scheme, and the medium (`print`, or empty for the screen)."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._call("Emulation.setDeviceMetricsOverride", size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", {"media": media, "features": [scheme]})

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Writes a PNG of the page, or of the part in view."""
        answer = self._call("Page.captureScreenshot", {"captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(answer["data"]))

    def _call(self, method: str, parameters: dict | None = None) -> dict:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters or {}}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def _wait_for(self, method: str) -> None:
        while method not in self._events:
            self._receive()

    def _receive(self) -> dict:
        ends = time.monotonic() + self._timeout_s
        while b"\0" not in self._pending:
            ready, _, _ = select.select([self._read], [], [], max(0, ends - time.monotonic()))
            data = os.read(self._read, 1 << 20) if ready else b""
            assert data, f"the browser sent nothing for {self._timeout_s:.0f} s, or ended"
            self._pending += data
        text, self._pending = self._pending.split(b"\0", 1)
        message = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, parameters: dict) -> None:
        self._events.append(method)
        if method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] == "error":
            self.errors.append(json.dumps(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.errors.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not parameters["request"]["url"].startswith(("file:", "data:", "about:")):
            self.errors.append(f"asked for {parameters['request']['url']}")
