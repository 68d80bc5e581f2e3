"""A headless Chromium over its debugging pipe: enough to open a page, ask it things, press keys and take its picture.

    with Browser() as browser:
        browser.open(Path("report.html"), width=360, dark=True)
        browser.ask("document.title")

Chromium reads commands from file descriptor 3 and answers on 4, JSON ended by a zero byte: no socket, no package.
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--mute-audio"),
)


def chromium() -> str | None:
    """Return a Chromium on the path; None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One page of a headless Chromium.

    Attributes:
        said: messages of the console, exceptions and log entries of the page.
        requests: the URL of everything that the page asked for.
    """

    def __enter__(self) -> Self:
        program = chromium()
        assert program is not None
        self._profile = tempfile.mkdtemp(prefix="curate-browser-")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        command = (program, *FLAGS, f"--user-data-dir={self._profile}", "--remote-debugging-pipe", "about:blank")
        # A shell puts the pipes where Chromium looks for them.
        wiring = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", wiring, "browser", *command],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out, self._in = os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb")
        self._number, self._rest, self._session = 0, b"", ""
        self.said: list[str] = []
        self.requests: list[str] = []
        page = next(t for t in self.do("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self.do("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for part in ("Page", "Runtime", "Log", "Network"):
            self.do(f"{part}.enable")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._session = ""
        with contextlib.suppress(AssertionError, BrokenPipeError):  # it may be gone before it answers
            self.do("Browser.close")
        self._out.close()
        self._process.wait(timeout=20)
        self._in.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send one command of the DevTools protocol and return its answer; events meanwhile are noted."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._in.fileno(), 1 << 20)
            assert piece, "Chromium ended"
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        message = dict(json.loads(line))
        self._note(message)
        return message

    def _note(self, message: dict[str, Any]) -> None:
        name, about = message.get("method"), message.get("params", {})
        if name == "Runtime.consoleAPICalled":
            self.said.append(f"{about['args']}")
        elif name == "Runtime.exceptionThrown":
            self.said.append(f"{about['exceptionDetails']}")
        elif name == "Log.entryAdded":
            self.said.append(f"{about['entry']['text']}")
        elif name == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])

    def open(self, page: Path, *, width: int = 1200, height: int = 900, dark: bool = False) -> None:
        """Load a local page at a width, in light or dark, and wait until it is there."""
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.do("Emulation.setEmulatedMedia", features=[scheme])
        self.do("Page.navigate", url=page.absolute().as_uri())
        ready = f"location.href == {json.dumps(page.absolute().as_uri())} && document.readyState == 'complete'"
        while not self.ask(ready):
            time.sleep(0.01)

    def ask(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press a key as a person would: "Tab" 9, "Enter" 13."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.do(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code,
                **(text if kind == "keyDown" else {}),
            )  # fmt: skip

    def picture(self, to: Path, *, whole: bool = False) -> None:
        shot = self.do("Page.captureScreenshot", captureBeyondViewport=whole, **self._clip(whole))
        to.write_bytes(base64.b64decode(shot["data"]))

    def _clip(self, whole: bool) -> dict[str, Any]:
        if not whole:
            return {}
        size = self.ask("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        return {"clip": {"x": 0, "y": 0, "width": size[0], "height": min(size[1], 16_000), "scale": 1}}
