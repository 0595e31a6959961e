"""A real Chromium, driven by keyboard as a person drives it, over WebDriver: plain HTTP to chromedriver on this machine."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.programs import program

KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Tab": "\ue004", "Control": "\ue009", "ArrowDown": "\ue015", "ArrowUp": "\ue013"}
_QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
_PATIENCE = 20


class Browser:
    """One window. What is asked of the page waits until it is there."""

    def __init__(self, port: int, folder: Path) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._session = ""
        options = {"binary": program("chromium"), "args": [*_QUIET, f"--user-data-dir={folder}", "--window-size=1280,900"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "timeouts": {"pageLoad": 30_000, "script": 30_000}}
        self._session = f"/session/{self._ask('POST', '/session', {'capabilities': {'alwaysMatch': wanted}})['sessionId']}"

    def _ask(self, method: str, path: str, values: object = None) -> Any:
        body = None if values is None else json.dumps(values)
        self._connection.request(method, self._session + path, body, {"Content-Type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())["value"]
        if isinstance(answer, dict) and "error" in answer:
            raise AssertionError(f"{path}: {answer['error']}: {answer['message']}")
        return answer

    def go(self, address: str) -> None:
        """Open an address."""
        self._ask("POST", "/url", {"url": address})

    @property
    def address(self) -> str:
        """Where the browser is."""
        return str(self._ask("GET", "/url"))

    def run(self, script: str) -> Any:
        """The value of a piece of script in the page."""
        return self._ask("POST", "/execute/sync", {"script": f"return {script}", "args": []})

    def press(self, *keys: str) -> None:
        """Press keys one after the other, by their names or as characters; `Control+Enter` is a chord. Words are written out."""
        for key in keys:
            chord = [KEYS.get(one, one) for one in key.split("+")] if "+" in key else [KEYS.get(key, key)]
            strokes = chord if "+" in key or key in KEYS else list(key)
            downs = [{"type": "keyDown", "value": one} for one in strokes]
            ups = [{"type": "keyUp", "value": one} for one in reversed(strokes)]
            steps = [*downs, *ups] if "+" in key else [step for one in strokes for step in _stroke(one)]
            self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": steps}]})

    def until(self, script: str) -> Any:
        """The first value of a piece of script that is true, once the page comes to it."""
        deadline = time.monotonic() + _PATIENCE
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"never true: {script}\n{self.run('document.body.innerText')}"
        return value

    def focused(self) -> str:
        """The `id` of what has the focus."""
        return str(self.run("document.activeElement.id"))

    def read(self, selector: str) -> str:
        """What a person reads of the first element that fits."""
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def close(self) -> None:
        """End the browser."""
        self._ask("DELETE", "")
        self._connection.close()


def _stroke(key: str) -> list[dict[str, str]]:
    return [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]


@contextlib.contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with nothing in its memory."""
    with subprocess.Popen([program("chromedriver"), "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        try:
            port = next(int(found[1]) for line in driver.stdout if (found := re.search(r"started successfully on port (\d+)", line)))
            with contextlib.closing(Browser(port, folder)) as opened:
                yield opened
        finally:
            driver.terminate()
