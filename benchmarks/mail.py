"""Measure the sending of mail and the record of it, and write the sections of `mail-results.md` that were measured.

    python benchmarks/mail.py                                     P7 and P11: an hour
    python benchmarks/mail.py --only P7 --people 1000 --runs 5    some of it
    python benchmarks/mail.py --only kills --sink SINK --judge JUDGE

P7: everyone on a list gets a mail of about 50 KB through a server on this machine that parses nothing, and each mail is
parsed afterwards: its recipient, and the link to unsubscribe of that recipient in both bodies and in the header. The peers
send as much through the same server: `mail_naive.py`, and Postfix's `smtp-source` where it is installed.
P11: a record of a million deliveries.
kills: `amplify publish` is killed at random moments while a faulty server takes its mail. SINK is run as
`SINK PORT LOG FAULT:PROBABILITY…` and logs what it took before it says so; JUDGE as `JUDGE LOG EXPECTED`.

CPU time is user and system time of whole processes; contenders take turns, and the least of several runs counts.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from run import AMPLIFY, HERE, PYTHON, Contender, Cost, environment, measure

WORDS = (
    "teachers",
    "share",
    "what",
    "went",
    "well",
    "this",
    "week",
    "and",
    "ask",
    "each",
    "other",
    "how",
    "to",
    "begin",
    "again",
    "after",
    "tea",
)
SETTINGS = """\
[community]
name = "JoyFE"
url = "https://joyfe.example.org/"
timezone = "UTC"
contact = "team@example.org"

[newsletter]
title = "Joy in FE"
from = "JoyFE <news@example.org>"

[serve]
url = "https://letters.example.org/"

[publish]
verify_site = false

[[channel]]
name = "website"
plugin = "folder"
path = "public"

[[channel]]
name = "newsletter"
plugin = "email"
publishes = ["edition"]
"""


def edition(paragraphs: int = 105) -> str:
    """An edition that becomes a mail of about 50 KB."""
    chosen = random.Random(7)
    sentences = [" ".join(chosen.choices(WORDS, k=24)).capitalize() for _ in range(paragraphs)]
    text = "\n\n".join(f"{one} – [more](https://joyfe.example.org/{number}/)." for number, one in enumerate(sentences))
    return f"---\ntitle: Joy in November\ndate: {datetime.now(UTC):%Y-%m-%d} 00:00\n---\n{text}\n"


class Newsletter:
    """A community with a list of people, made once; each run gets a copy of it."""

    def __init__(self, folder: Path, people: int) -> None:
        self.people, self._made, self.root = people, folder / f"made-{people}", folder / f"copy-{people}"
        if not self._made.is_dir():
            (self._made / "editions").mkdir(parents=True)
            (self._made / "editions" / "joy.md").write_text(edition(), encoding="utf-8")
            (self._made / "amplify.toml").write_text(SETTINGS, encoding="utf-8")
            addresses = "".join(f"reader{number}@example.org,Reader {number}\n" for number in range(people))
            (self._made / "list.csv").write_text(f"email,name\n{addresses}", encoding="utf-8")
            measure(Contender((AMPLIFY, "subscribers", "import", "list.csv"), self._made))

    def fresh(self, *options: str) -> None:
        """A copy in which nothing was sent, with these options of the channel."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self._made, self.root)
        (self.root / "amplify.toml").write_text(SETTINGS + "".join(f"{option}\n" for option in options), encoding="utf-8")

    def tokens(self) -> dict[str, str]:
        """The secret of each address."""
        with closing(sqlite3.connect(self._made / ".amplify" / "amplify.db")) as record:
            return dict(record.execute("SELECT address, token FROM subscriber"))

    def publish(self) -> Contender:
        """`amplify publish`."""
        return Contender((AMPLIFY, "publish", "--yes"), self.root)


@contextmanager
def running(*command: str | Path) -> Iterator[int]:
    """A server, started with a free port in the place of PORT."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = int(free.getsockname()[1])
    process = subprocess.Popen([str(port) if part == "PORT" else part for part in command], env=environment(), stdin=subprocess.DEVNULL)
    try:
        while not _answers(port):
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# -- P7: many mails ------------------------------------------------------------------------------------------------


def wrong(kept: Path, tokens: Mapping[str, str]) -> list[str]:
    """What is wrong with the mails that a server kept."""
    found, seen = [], Counter[str]()
    with kept.open("rb") as mails:
        while line := mails.readline():
            address, length = json.loads(line)
            seen[address] += 1
            found += [f"{address}: {what}" for what in _wrong_in(message_from_bytes(mails.read(length)), address, tokens[address])]
    found += [f"{address}: {seen[address]} copies" for address in tokens if seen[address] != 1]
    return found


def _wrong_in(mail: Message, address: str, token: str) -> Iterator[str]:
    link = f"https://letters.example.org/unsubscribe/{token}"
    plain, html = (bytes(part.get_payload(decode=True)).decode() for part in mail.get_payload())  # type: ignore[union-attr, arg-type]
    if not re.search(rf"\b{re.escape(address)}\b", mail["To"]):
        yield f"is to {mail['To']}"
    for name, text in (("the header", mail["List-Unsubscribe"]), ("the text", plain), ("the HTML", html)):
        if link not in text:
            yield f"{name} lacks the link"
        if len(set(re.findall(r"unsubscribe/(\w+)", text))) != 1:
            yield f"{name} has somebody else's link"
        if "AMPLIFY" in text:
            yield f"{name} has a token left"


def naive_mail(folder: Path, newsletter: Newsletter) -> Path:
    """The same mail for the naive chain: taken from what Amplify writes into its outbox for one person."""
    one = Newsletter(folder, 1)
    one.fresh('server = "outbox:"')
    measure(one.publish())
    [file] = (one.root / ".amplify" / "outbox").glob("*.eml")
    mail, [token] = message_from_bytes(file.read_bytes()), one.tokens().values()
    plain, html = (bytes(part.get_payload(decode=True)).decode().replace(token, "{token}") for part in mail.get_payload())  # type: ignore[union-attr, arg-type]
    made = {
        "subject": mail["Subject"], "sender": mail["From"], "text": plain, "html": html, "length": len(file.read_bytes()),
        "link": "https://letters.example.org/unsubscribe/{token}", "recipients": list(newsletter.tokens().items()),
    }  # fmt: skip
    target = folder / f"naive-{newsletter.people}.json"
    target.write_text(json.dumps(made), encoding="utf-8")
    return target


def _key(folder: Path) -> Path:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    secret = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key = folder / "key.pem"
    key.write_bytes(
        secret.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    )
    return key


@dataclass(frozen=True)
class Sending:
    """What one way of sending took."""

    name: str
    cost: Cost
    people: int

    def __str__(self) -> str:
        cost, people = self.cost, self.people
        each = f"{1e3 * cost.cpu / people:.3f} ms"
        return f"| {people:,} | {self.name} | {people / cost.wall:,.0f} | {cost.cpu:.2f} s | {each} | {cost.peak:.0f} MB |"


@dataclass(frozen=True)
class Entrant:
    """A contender, and what is looked at after each of its runs (not measured)."""

    contender: Contender
    after: Callable[[], None] = lambda: None


def in_turn(entrants: Mapping[str, Entrant], runs: int) -> dict[str, Cost]:
    """The least that each needed in `runs` rounds."""
    best: dict[str, Cost] = {}
    for number in range(runs):
        for name, entrant in entrants.items():
            entrant.contender.before(number)
            cost = measure(entrant.contender)
            entrant.after()
            best[name] = best[name].least(cost) if name in best else cost
            print(f"    {name:<28} {cost.cpu:7.2f} s CPU  {cost.wall:7.2f} s  {cost.peak:6.0f} MB", file=sys.stderr, flush=True)
    return best


def sending(folder: Path, people: int, runs: int, connections: Sequence[int]) -> list[Sending]:
    """P7, for a list of one length."""
    newsletter = Newsletter(folder, people)
    mail, key, kept = naive_mail(folder, newsletter), _key(folder), folder / "kept"
    length = json.loads(mail.read_text(encoding="utf-8"))["length"]
    with running(PYTHON, HERE / "mail_sink.py", "PORT", folder / "log", kept) as port:
        ours = {f"Amplify, {connections_of(number)}": _amplify(newsletter, port, number, kept) for number in connections}
        naive = (PYTHON, str(HERE / "mail_naive.py"), str(port), str(mail))
        theirs = {"naive chain": naive}
        if find_spec("dkim") and people < 10_000:
            theirs["naive chain with dkimpy"] = (*naive, str(key))
        if source := shutil.which("smtp-source"):
            for number in connections:
                command = (source, "-d", "-s", str(number), "-m", str(people), "-l", str(length), f"127.0.0.1:{port}")
                theirs[f"smtp-source, {connections_of(number)}"] = command
        peers = {name: Entrant(Contender(command, folder, lambda _: _emptied(kept))) for name, command in theirs.items()}
        return [Sending(name, cost, people) for name, cost in in_turn(ours | peers, runs).items()]


def connections_of(number: int) -> str:
    """In words."""
    return f"{number} connection{'s' * (number > 1)}"


def _emptied(kept: Path) -> None:
    kept.write_bytes(b"")


def _amplify(newsletter: Newsletter, port: int, connections: int, kept: Path) -> Entrant:
    def before(_: int) -> None:
        newsletter.fresh(f'server = "smtp://127.0.0.1:{port}"', f"connections = {connections}")
        _emptied(kept)

    def after() -> None:
        if found := wrong(kept, newsletter.tokens()):
            raise SystemExit("\n".join([f"{len(found)} mails are wrong:", *found[:20]]))

    return Entrant(replace(newsletter.publish(), before=before), after)


def ratios(sent: Sequence[Sending]) -> Iterator[str]:
    """The best of ours against each peer."""
    ours = [one for one in sent if one.name.startswith("Amplify")]
    fastest, cheapest = min(one.cost.wall for one in ours), min(one.cost.cpu for one in ours)
    for one in sent:
        if one not in ours:
            yield f"| {one.people:,} | {one.name} | {one.cost.wall / fastest:.2f} | {cheapest / one.cost.cpu:.2f} |"


def many_mails(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """P7."""
    sent = [sending(folder, people, options.runs if people < 10_000 else 1, options.connections) for people in options.people]
    yield f"The least of {options.runs} runs in turn; 10,000 mails and more: one run."
    yield "Every mail of every run of Amplify was parsed: its recipient, that one's link in both bodies and the header, no token left."
    yield ""
    yield "| mails | sender | mails a second | CPU | CPU a mail | peak |"
    yield "| ---: | --- | ---: | ---: | ---: | ---: |"
    for group in sent:
        yield from map(str, group)
    yield ""
    yield "| mails | Amplify against | speed, times theirs (wanted of the naive chain: 5; 15) | CPU, times theirs (of smtp-source: 3) |"
    yield "| ---: | --- | ---: | ---: |"
    for group in sent:
        yield from ratios(group)


# -- P11: a long record ---------------------------------------------------------------------------------------------


def long_record(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """P11."""
    from amplify.model import Digest, Key, Place, Publication
    from amplify.store import Entry, Store

    now, root = datetime.now(UTC), folder / "long"
    root.mkdir()
    (root / "amplify.toml").write_text(SETTINGS + 'server = "smtp://127.0.0.1:9"\n', encoding="utf-8")
    status = Contender((AMPLIFY, "status"), root)
    empty = min(measure(status).cpu for _ in range(options.runs))
    store = Store(root / ".amplify" / "amplify.db")
    people = options.deliveries
    store.import_subscribers((Entry(address=f"reader{number}@example.org") for number in range(people)), now, "a list")
    publication = Publication(
        key=Key("edition/joy"), kind="edition", title="Joy", path="editions/joy/", due=now, audience="", digest=Digest("d"), words={},
        at=Place(file=Path("editions/joy.md"), line=1),
    )  # fmt: skip
    start = time.perf_counter(), time.process_time()
    announcement = store.open(publication, "newsletter", "email", now, rehearsal=False, subscribers=True)
    opening = time.perf_counter() - start[0], time.process_time() - start[1]
    store.close()
    with closing(sqlite3.connect(root / ".amplify" / "amplify.db")) as record, record:
        record.execute(
            "INSERT INTO receipt SELECT id, '250 2.0.0 taken', NULL, changed_at, '' FROM delivery WHERE id <= ?", (people - 1000,)
        )
        record.execute("UPDATE delivery SET state = 'delivered', attempts = 1 WHERE id <= ?", (people - 1000,))
    store = Store(root / ".amplify" / "amplify.db")
    claims = [_least(lambda: store.advance(announcement, [], 8, now), 1) for _ in range(20)]
    counts = _least(store.announcements, options.runs)
    store.close()
    whole = min(measure(status).cpu for _ in range(options.runs))
    yield f"A record of {people:,} deliveries, 1,000 of them left; in one process, and (the last line) the whole command."
    yield ""
    yield "| what | CPU | wanted |"
    yield "| --- | ---: | ---: |"
    yield f"| opening an announcement to {people:,} people (once; {opening[0]:.2f} s by the clock) | {opening[1]:.2f} s | – |"
    yield f"| what is left to do: the next 8, claimed | {1e3 * min(claims):.2f} ms | 1 s; 0.1 s |"
    yield f"| how it stands: every announcement with its counts | {counts:.3f} s | 0.5 s; 0.1 s |"
    yield f"| `amplify status`, above what it takes with an empty record ({empty:.2f} s) | {whole - empty:.3f} s | 0.5 s; 0.1 s |"


def _least(act: Callable[[], object], runs: int) -> float:
    found = []
    for _ in range(runs):
        start = time.process_time()
        act()
        found.append(time.process_time() - start)
    return min(found)


# -- kills ---------------------------------------------------------------------------------------------------------


@dataclass
class Killed:
    """How a list was worked through by publishes that were killed."""

    name: str
    in_doubt: str
    kills: int = 0
    publishes: int = 0
    sink: str = ""
    doubt: int = 0
    missing_and_in_doubt: int = 0
    again: int = 0

    def __str__(self) -> str:
        judged = json.loads(self.sink)
        return (
            f"| {self.name} | `{self.in_doubt}` | {self.kills} | {self.publishes} | {judged['expected']:,} | {judged['lost']} "
            f"| {self.missing_and_in_doubt} of {self.doubt} | {judged['extra_copies']} of {self.again} "
            f"| {judged['doubled_with_different_message_id']} | {judged['stray']} |"
        )


def kills(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """Killed at random moments, with a server that fails in every way."""
    if not (options.sink and options.judge):
        raise SystemExit("kills needs --sink and --judge")
    usual = ("rcpt4xx:0.01", "tmp4xx:0.01", "drop_in_data:0.01", "drop_before_250:0.01")
    found = [
        worked_through(options, folder, "four faults, 1 % each", "resend", usual, options.kills),
        worked_through(options, folder, "four faults, 1 % each", "ask", usual, options.kills),
        worked_through(options, folder, "five: 1 % `550 5.7.1` too, which is about the sender", "resend", (*usual, "perm5xx:0.01"), 0),
    ]
    yield "Each publish was killed (SIGKILL) at a random moment, start-up included, until the kills were used up; the rest ran on."
    yield "Four connections. With `ask`, those in doubt at the end: how many of them the server never took, of all that are shown."
    yield ""
    yield (
        "| server | in_doubt | kills | publishes | people | never got it | of those in doubt | extra copies, of those sent again "
        "| another Message-ID | strays |"
    )
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    yield from map(str, found)


def worked_through(options: argparse.Namespace, folder: Path, name: str, in_doubt: str, faults: Sequence[str], deaths: int) -> Killed:
    """Publish until a publish leaves nothing to be done."""
    newsletter, log, chosen = Newsletter(folder, options.kill_people), folder / "log", random.Random(11)
    log.unlink(missing_ok=True)
    killed = Killed(name, in_doubt)
    with running(PYTHON, options.sink, "PORT", log, *faults) as port:
        newsletter.fresh(f'server = "smtp://127.0.0.1:{port}"', f'in_doubt = "{in_doubt}"', "connections = 4")
        while True:
            life = chosen.uniform(0.2, options.longest) if killed.kills < deaths else None
            killed.publishes += 1
            died = not _lived(newsletter.root, life)
            killed.kills += died
            counts = _counts(newsletter.root)
            left = sum(counts.get(state, 0) for state in ("planned", "sending", "deferred"))
            print(f"    {killed.publishes} publishes, {killed.kills} kills: {counts}", file=sys.stderr, flush=True)
            if counts and not died and not left and (in_doubt == "ask" or not counts.get("in doubt")):
                break
            if not died and left == counts.get("deferred"):
                time.sleep(5)
    expected = folder / "expected"
    expected.write_text("\n".join(newsletter.tokens()), encoding="utf-8")
    killed.sink = subprocess.run([PYTHON, options.judge, log, expected], check=False, capture_output=True, text=True).stdout
    got = {json.loads(line)[2] for line in log.read_text(encoding="utf-8").splitlines()}
    with closing(sqlite3.connect(newsletter.root / ".amplify" / "amplify.db")) as record:
        shown = record.execute("SELECT address FROM delivery d JOIN subscriber s ON s.id = d.recipient WHERE state = 'in doubt'").fetchall()
        killed.again = record.execute("SELECT count(*) FROM decision WHERE became = 'planned'").fetchone()[0]
    killed.doubt, killed.missing_and_in_doubt = len(shown), sum(address not in got for (address,) in shown)
    return killed


def _lived(root: Path, life: float | None) -> bool:
    """Publish for so many seconds, or to the end; False where it was killed."""
    process = subprocess.Popen(
        (AMPLIFY, "publish", "--yes"), cwd=root, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        process.wait(life)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
    if process.returncode not in (0, 3, -signal.SIGKILL):
        raise SystemExit(f"amplify publish ended with {process.returncode}")
    return process.returncode != -signal.SIGKILL


def _counts(root: Path) -> dict[str, int]:
    with closing(sqlite3.connect(root / ".amplify" / "amplify.db")) as record:
        return dict(record.execute("SELECT state, count(*) FROM delivery GROUP BY state"))


# -- the table -----------------------------------------------------------------------------------------------------

MEASUREMENTS: Mapping[str, tuple[str, Callable[[argparse.Namespace, Path], Iterator[str]]]] = {
    "P7": ("P7: many mails", many_mails),
    "P11": ("P11: a long record", long_record),
    "kills": ("Killed while it sends", kills),
}


def written(results: Path, title: str, machine: str, lines: Iterator[str]) -> None:
    """Put a section into the table, in the place of the one of that title."""
    sections = results.read_text(encoding="utf-8").split("\n## ") if results.exists() else ["# Mail\n"]
    names = {"Amplify": "amplify-publisher"} | ({"dkimpy": "dkimpy"} if find_spec("dkim") else {})
    versions = ", ".join(f"{name} {version(package)}" for name, package in names.items())
    when = f"{datetime.now(UTC):%Y-%m-%d}; {versions}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}; {machine}."
    section = f"{title}\n\n{when}\n\n" + "\n".join(lines) + "\n"
    kept = [one for one in sections[1:] if not one.startswith(f"{title}\n")]
    order = [name for name, _ in MEASUREMENTS.values()] + ["A real mail server"]
    both = sorted([*kept, section], key=lambda one: order.index(one.split("\n")[0]))
    results.write_text("\n## ".join([sections[0].rstrip("\n") + "\n", *(one.rstrip("\n") + "\n" for one in both)]), encoding="utf-8")


def main() -> None:
    """Measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="P7,P11", help="which measurements (default: %(default)s)")
    parser.add_argument("--people", default="1000,10000", type=numbers, help="lengths of the list (default: %(default)s)")
    parser.add_argument("--connections", default="1,4,8", type=numbers, help="numbers of connections (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="how often (default: %(default)s)")
    parser.add_argument("--deliveries", type=int, default=1_000_000, help="in the long record (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=100, help="(default: %(default)s)")
    parser.add_argument("--kill-people", type=int, default=10_000, help="who is on the list meanwhile (default: %(default)s)")
    parser.add_argument("--longest", type=float, default=3.0, help="a publish is killed after so many seconds at the latest")
    parser.add_argument("--sink", type=Path, help="a server with faults, for kills")
    parser.add_argument("--judge", type=Path, help="what reads its log")
    parser.add_argument("--machine", default=f"{os.cpu_count()} cores", help="what the table says of the machine")
    parser.add_argument("--results", type=Path, default=HERE / "mail-results.md", help="where the table goes")
    options = parser.parse_args()
    for name in options.only.split(","):
        title, measurement = MEASUREMENTS[name]
        with tempfile.TemporaryDirectory() as folder:
            written(options.results, title, options.machine, measurement(options, Path(folder)))


def numbers(written: str) -> list[int]:
    """Numbers with commas between them."""
    return [int(number) for number in written.split(",")]


if __name__ == "__main__":
    main()
