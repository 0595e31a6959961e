"""Three newsletters of one community, each through a mail server of its own that keeps count; and what the record says of them.

The servers' own lists of what they took are the judge of who got what. Processes are started and ended by `interrupter`.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.interrupter import Blow, Ended, Interrupter, Number, interrupter
from tests.kit import EDITION, SETTINGS, Community, Ran
from tests.smtp_peer import Peer, listening

from amplify import pipeline
from amplify.model import State
from amplify.store import Store

CONNECTIONS = {"letter": 2, "digest": 1, "bulletin": 3}
"""The channels, and how many mails each may have in flight."""


@dataclass
class Watched(Peer):
    """A mail server that lets `meanwhile` happen when it has taken so many messages, before it answers."""

    meanwhile: dict[int, Callable[[], object]] = field(default_factory=dict)

    def answer(self, stage: str, usual: str) -> str:
        """The usual answer, after what is to happen before it."""
        for number in [one for one in self.meanwhile if stage == "dot" and one <= len(self.taken)]:
            self.meanwhile.pop(number, lambda: None)()
        return super().answer(stage, usual)


@dataclass
class Town:
    """The community, its servers, and the parent of the processes that publish it."""

    community: Community
    peers: dict[str, Watched]
    processes: tuple[Interrupter, Interrupter]
    people: tuple[str, ...]

    @property
    def record(self) -> Path:
        """The file of the record."""
        return self.community.root / ".amplify" / "amplify.db"

    def publish(self, number: Number = "deeds", at: int = -1, blow: Blow = "killed", largest: int | None = None) -> Ended:
        """`amplify publish --yes` in a process of its own, struck by `blow` where it is told; no file grows beyond `largest` bytes."""
        ended = self.processes[0].run(self.community.root, "publish", "--yes", number=number, blow=blow, at=at, largest=largest)
        all_quiet()
        return ended

    def publish_twice(self) -> list[Ended]:
        """Two of them, started at the same moment."""
        with ThreadPoolExecutor(2) as pool:
            ended = list(pool.map(lambda one: one.run(self.community.root, "publish", "--yes"), self.processes))
        all_quiet()
        return ended

    def publish_and(self, blow: signal.Signals, after: int) -> Ran:
        """The same in a process that gets a signal while the letter's server has `after` messages and has not answered the next."""
        command = [sys.executable, "-m", "amplify", "-C", str(self.community.root), "publish", "--yes"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            self.peers["letter"].meanwhile[after] = lambda: process.send_signal(blow)
            out, err = process.communicate()
        all_quiet()
        return Ran(process.returncode, out, err)

    def goes_on(self) -> None:
        """Publish until a run changes nothing."""
        before = None
        for _ in range(6):
            ran = self.publish()
            assert ran.status in (0, 3), ran.err
            now = (self.rows(), [len(peer.taken) for peer in self.peers.values()])
            if now == before:
                return
            before = now
        raise AssertionError("it never comes to rest")

    def copies(self, channel: str) -> Counter[str]:
        """How often each address was mailed, by the server's own account."""
        return Counter(self.peers[channel].recipients())

    def never(self, channel: str) -> set[str]:
        """Who was not mailed."""
        return set(self.people) - set(self.copies(channel))

    def ids(self, channel: str) -> set[tuple[str, str]]:
        """Each address with the Message-ID of what it was sent."""
        peer = self.peers[channel]
        return {(address, mail["Message-ID"]) for (address, _), mail in zip(peer.taken, peer.messages(), strict=True)}

    def rows(self) -> dict[str, list[tuple[str, State, int]]]:
        """What the record says, by channel: address, state and number of each delivery."""
        with closing(Store(self.record)) as store:
            found = {one.channel: store.rows(one) for one in store.announcements()}
        return {channel: [(row.address, row.state, row.delivery) for row in rows] for channel, rows in found.items()}

    def in_doubt(self, channel: str) -> dict[str, int]:
        """Whom `amplify status` shows as in doubt, with the number to name them by."""
        doubts = {address: number for address, state, number in self.rows().get(channel, []) if state is State.DOUBT}
        shown = self.run("status", "joy").out if doubts else ""
        assert all(f"{number}  {address}" in shown for address, number in doubts.items())
        return doubts

    def run(self, *args: str) -> Ran:
        """`amplify …`, in this process."""
        return self.community.run(*args)


def all_quiet() -> None:
    """Wait until the servers have read everything that dead processes left in their sockets."""
    while busy := [thread for thread in threading.enumerate() if "process_request_thread" in thread.name]:
        for thread in busy:
            with suppress(RuntimeError):  # it has not quite begun
                thread.join()


def settings(peers: dict[str, Watched], more: str = "") -> str:
    """The website, and a newsletter through each server; `more` options for each."""
    website, _, _ = SETTINGS.partition('[[channel]]\nname = "newsletter"')
    tables = (
        f'[[channel]]\nname = "{name}"\nplugin = "email"\nserver = "smtp://127.0.0.1:{peer.port}"\npublishes = ["edition"]\n'
        f"connections = {CONNECTIONS[name]}\nfinal_timeout = 5\n{more}\n"
        for name, peer in peers.items()
    )
    return website + "\n".join(tables) + "\n[publish]\nverify_site = false\n"


class Towns:
    """Makes towns that are alike; the folder of each is a copy of one that is ready to publish."""

    def __init__(
        self, folder: Path, processes: tuple[Interrupter, Interrupter], peers: dict[str, Watched], people: tuple[str, ...]
    ) -> None:
        self._folder, self._processes, self._peers, self._people = folder, processes, peers, people
        self._number = 0
        self._ready = Community(folder / "ready").write({"amplify.toml": settings(peers), "editions/joy.md": due(EDITION)})
        self._ready.subscribed(*people)
        assert self._ready.run("check").status == 0

    def town(self, more: str = "") -> Town:
        """One more, to which nothing happened yet."""
        self._number += 1
        community = self._ready.copy(self._folder / f"town-{self._number}").write({"amplify.toml": settings(self._peers, more)})
        for peer in self._peers.values():
            peer.taken.clear()
            peer.meanwhile.clear()
        return Town(community, self._peers, self._processes, self._people)

    def done_with(self, town: Town) -> None:
        """Free its place on the disk."""
        shutil.rmtree(town.community.root)


@contextmanager
def towns(folder: Path, people: tuple[str, ...]) -> Iterator[Towns]:
    """Everything that a town needs, running."""
    warm = Community(folder / "warm").write({"amplify.toml": SETTINGS, "editions/joy.md": EDITION}).subscribed("warm@example.org")
    with ExitStack() as stack:
        peers = {name: Watched() for name in CONNECTIONS}
        for peer in peers.values():
            stack.enter_context(listening(peer))
        processes = stack.enter_context(interrupter(warm.root)), stack.enter_context(interrupter(warm.copy(folder / "warm too").root))
        yield Towns(folder, processes, peers, people)


def due(edition: str) -> str:
    """An edition that came due a moment ago, by the clock on the wall: what really leaves knows no other."""
    return edition.replace("2026-11-18 20:00", f"{pipeline.now():%Y-%m-%d 00:00}")
