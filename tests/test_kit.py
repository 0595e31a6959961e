"""The kit for authors outside the suites: a far end that does as it is told, a clock that stands still, services and a community."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amplify.api import Paused, Permanent, Services, Transient, Unreadable, Unsure
from amplify.testing import EDITION, Clock, Community, Fault, Reply, Server, listening
from amplify.testing_server import WAIT


def test_a_path_is_answered_as_it_is_told_and_the_last_answer_stays(amplify_server: Server, amplify_services: Services) -> None:
    amplify_server.on("/notes", Reply(status=503), Reply(json=["one"]), Reply(json=["one", "two"]))
    with pytest.raises(Transient):
        amplify_services.http.get(f"{amplify_server.url}/notes")

    assert [amplify_services.http.get(f"{amplify_server.url}/notes").json() for _ in range(3)] == [["one"], ["one", "two"], ["one", "two"]]


@pytest.mark.parametrize(
    ("fault", "word", "acted"),
    [
        (Fault.DENIED, Paused, False), (Fault.REFUSED, Permanent, False), (Fault.LATER, Transient, False),
        (Fault.TOO_MANY, Transient, False),
        (Fault.BROKEN, Unsure, False), (Fault.DROP_BEFORE, Unsure, False), (Fault.DROP_AFTER, Unsure, True),
        (Fault.HUGE, Unsure, True),
        (Fault.UNREACHABLE, Transient, False),
    ],
)  # fmt: skip
def test_a_bad_day_is_one(amplify_server: Server, amplify_services: Services, fault: Fault, word: type[Exception], acted: bool) -> None:
    amplify_server.trouble = fault
    with pytest.raises(word) as raised:
        amplify_services.http.post(f"{amplify_server.url}/notes", json={"text": "Joy"})

    assert [one.json() for one in amplify_server.taken] == [{"text": "Joy"}] * acted
    assert getattr(raised.value, "wait", None) == (WAIT if fault is Fault.LATER else None)


def test_an_answer_for_people_is_no_json(amplify_server: Server, amplify_services: Services) -> None:
    amplify_server.trouble = Fault.NOT_JSON
    with pytest.raises(Unreadable):
        amplify_services.http.post(amplify_server.url, json={}).json()

    assert len(amplify_server.taken) == 1


def test_what_was_asked_can_be_read_in_every_form(amplify_server: Server, amplify_services: Services) -> None:
    amplify_services.http.post(f"{amplify_server.url}/a%20b?label=k1", data={"text": "Joy & more"})
    amplify_services.http.post(amplify_server.url, json={"deep": [{"text": "Joy"}]})
    form, json = amplify_server.requests

    assert (form.method, form.path, form.query, form.form()) == ("POST", "/a%20b", "label=k1", {"text": "Joy & more"})
    assert {"/a b", "k1", "Joy & more"} <= set(form.words())
    assert "Joy" in json.words()


def test_a_far_end_plays_its_part(amplify_services: Services) -> None:
    with listening(lambda request: Reply(json={"path": request.path})) as far:
        assert amplify_services.http.get(f"{far.url}/notes").json() == {"path": "/notes"}


def test_time_passes_when_it_is_told_to(amplify_clock: Clock, amplify_services: Services) -> None:
    before = amplify_services.clock()
    amplify_clock.pass_(hours=2)

    assert (amplify_services.clock() - before).total_seconds() == 7200


def test_a_community_can_be_thrown_away(amplify_community: Callable[..., Community], tmp_path: Path) -> None:
    made = amplify_community({"editions/2026-11.md": EDITION})

    assert made.publish().status == 0
    assert (tmp_path / "community" / "public" / "index.html").exists()
    assert made.run("status", "--json").json["publications"] == []
