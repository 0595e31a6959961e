"""What is fetched or posted ends in an answer or in one of the words for failures, within limits, and politely."""

from __future__ import annotations

import gzip
import threading
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http_peer import Peer, drop, peer, raw

from amplify import __version__, wire
from amplify.api import Asked, DeliveryError, Http, Response, Secret
from amplify.errors import Paused, Permanent, Transient, Unreadable, Unsure
from amplify.http import Client, agent, guarded

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OK = (200, {}, b"here")


@pytest.fixture
def there() -> Iterator[Peer]:
    """A server on this machine."""
    with peer() as made:
        yield made


@pytest.fixture
def http() -> Iterator[Client]:
    """A client to which every name is this machine, and it is always noon."""
    with guarded(["127.0.0.0/8"], clock=lambda: NOW, resolve=lambda name: ["127.0.0.1"]) as made:
        _: Http = made
        yield made


# -- what is asked, what comes back --------------------------------------------------------------------------------


def test_an_answer_is_where_it_was_in_the_end_with_its_headers_and_its_content(http: Client, there: Peer) -> None:
    there.answers["/old"] = (301, {"Location": "/näw?x=1".encode().decode("latin-1")}, b"")
    there.answers["/n%C3%A4w"] = (200, {"X-One": "1", "ETag": '"v1"', "Last-Modified": "today", "Set-Cookie": "a=b"}, b"words")

    got = http.get(there.url("/old"))

    assert (got.url, got.status, got.content, got.unchanged) == (there.url("/n%C3%A4w?x=1"), 200, b"words", False)
    assert (got.headers["x-one"], got.etag, got.modified, "set-cookie" in got.headers) == ("1", '"v1"', "today", False)


def test_what_is_unchanged_is_not_sent_again(http: Client, there: Peer) -> None:
    there.answers["/"] = (304, {"ETag": '"v1"'}, b"")

    got = http.get(there.url(), etag='"v1"', modified="Sun, 22 Nov 2026 05:00:00 GMT")

    assert (got.unchanged, got.content) == (True, b"")
    assert there.asked[0].headers["if-none-match"] == '"v1"'
    assert there.asked[0].headers["if-modified-since"] == "Sun, 22 Nov 2026 05:00:00 GMT"


def test_a_server_learns_who_asks_and_nothing_else(there: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    who = agent("https://joyfe.example.org/", "team@example.org")
    with guarded(["127.0.0.0/8"], who) as http:
        http.get(there.url())

    assert there.asked[0].headers == {
        "host": f"127.0.0.1:{there.port}",
        "user-agent": f"Amplify/{__version__} (+https://joyfe.example.org/; team@example.org)",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "connection": "close",
    }


def test_a_name_that_no_header_can_hold_is_sent_as_it_can_be() -> None:
    assert agent("https://x.example.org/", "Joy\r\nX: ☕ <a@b.c>") == f"Amplify/{__version__} (+https://x.example.org/; Joy??X: ? <a@b.c>)"


def _gzip(data: bytes) -> bytes:
    """The same bytes at any time of day, so that each test has the same name in every process."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(("encoding", "packed"), [
    ("gzip", _gzip(b"words" * 99)), ("deflate", zlib.compress(b"words" * 99)), ("deflate", zlib.compress(b"words" * 99, wbits=-15)),
    ("GZip", _gzip(b"words" * 50) + _gzip(b"words" * 49)), ("gzip", _gzip(b"words" * 99) + b"\0\0"),
    ("identity", b"words" * 99),
])  # fmt: skip
def test_what_is_compressed_arrives_as_it_was(http: Client, there: Peer, encoding: str, packed: bytes) -> None:
    there.answers["/"] = (200, {"Content-Encoding": encoding}, packed)

    assert http.get(there.url()).content == b"words" * 99


def test_text_is_read_as_it_says_it_is_written(http: Client, there: Peer) -> None:
    there.answers["/latin"] = (200, {"Content-Type": 'text/plain; Charset="ISO-8859-1"'}, b"M\xfcde")
    there.answers["/odd"] = (200, {"Content-Type": "x; charset=no"}, "Müde\0".encode())

    assert [http.get(there.url(path)).text() for path in ("/latin", "/odd")] == ["Müde", "Müde\0"]


def test_an_answer_that_is_no_json_is_said_in_words(http: Client, there: Peer) -> None:
    there.answers["/json"] = (200, {}, b'{"a": [1]}')
    assert http.get(there.url("/json")).json() == {"a": [1]}

    with pytest.raises(Unreadable, match=r"127\.0\.0\.1:\d+ answered something that is no JSON"):
        http.get(there.url()).json()


# -- redirects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hops", "reached"), [(5, True), (6, False)])
def test_five_redirects_are_followed_and_no_more(http: Client, there: Peer, hops: int, reached: bool) -> None:
    there.answers |= {f"/{number}": (302, {"Location": f"{number - 1}"}, b"") for number in range(1, hops + 1)}
    if reached:
        assert http.get(there.url(f"/{hops}")).url == there.url("/0")
    else:
        with pytest.raises(Permanent, match="redirects more than 5 times"):
            http.get(there.url(f"/{hops}"))


def test_another_host_does_not_get_what_was_meant_for_the_first(http: Client, there: Peer) -> None:
    there.answers["/"] = (307, {"Location": there.url("/new", "other.example.org")}, b"")

    http.get(there.url(), headers={"Authorization": "Bearer xyz", "X-Key": "k", "Accept": "text/xml"}, etag='"v1"')

    first, second = (one.headers for one in there.asked)
    assert (first["authorization"], first["x-key"]) == ("Bearer xyz", "k")
    assert second.keys() & {"authorization", "x-key"} == set()
    assert (second["accept"], second["if-none-match"]) == ("text/xml", '"v1"')


# -- what goes wrong when fetching ---------------------------------------------------------------------------------

FETCHED = [
    ((404, {}, b"gone"), Permanent, "answered 404: gone"), ((410, {}, b""), Permanent, "answered 410"),
    ((401, {}, b""), Permanent, "answered 401"), ((403, {}, b""), Permanent, "answered 403"),
    ((418, {}, b""), Permanent, "answered 418"), ((301, {}, b""), Permanent, "moved to nowhere"),
    ((500, {}, b""), Transient, "answered 500"), ((502, {}, b""), Transient, "answered 502"), ((304, {}, b""), Transient, "answered 304"),
    ((408, {}, b""), Transient, "answered 408"), (drop, Transient, "cannot be reached|does not answer"),
    (raw(b"SSH-2.0-OpenSSH\r\n"), Transient, "does not answer as a web server does"),
    (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), Transient, "does not answer as a web server does"),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhere"), Transient, "in the middle of its answer"),
    ((200, {"Content-Encoding": "gzip"}, _gzip(b"words")[:-9]), Transient, "in the middle of its answer"),
    ((200, {"Content-Encoding": "gzip"}, b"words"), Transient, "cannot be decompressed"),
    ((200, {"Content-Encoding": "br"}, b"words"), Permanent, "not asked for: br"),
    ((200, {"Content-Encoding": "gzip, gzip"}, b"words"), Permanent, "not asked for"),
    ((200, {"X-Big": "x" * 65_000, "Y-Big": "y" * 65_000}, b""), Permanent, "more headers"),
    (raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"), Transient, "does not answer as a web server does"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "word", "reason"), FETCHED)
def test_each_failure_of_fetching_has_its_word(http: Client, there: Peer, answer: Any, word: type[DeliveryError], reason: str) -> None:
    there.answers["/"] = answer

    with pytest.raises(word, match=rf"^127\.0\.0\.1 .*({reason})") as caught:
        http.get(there.url())

    assert type(caught.value) is word


def test_who_does_not_listen_is_tried_again(http: Client) -> None:
    with peer() as gone:
        pass

    with pytest.raises(Transient, match="Connection refused"):
        http.get(gone.url())


@pytest.mark.parametrize(("status", "header", "wait"), [
    (429, "120", 120), (503, "120", 120), (429, "Sun, 22 Nov 2026 12:05:00 GMT", 300), (429, "Sun, 22 Nov 2026 11:05:00 GMT", 0),
    (429, "99999999999999", 86_400), (429, "soon", None), (429, "-5", None), (503, "", None), (500, "60", 60),
])  # fmt: skip
def test_a_server_says_when_to_come_back(http: Client, there: Peer, status: int, header: str, wait: float | None) -> None:
    there.answers["/"] = (status, {"Retry-After": header} if header else {}, b"")

    with pytest.raises(Transient) as caught:
        http.get(there.url())

    assert caught.value.wait == wait


# -- limits --------------------------------------------------------------------------------------------------------


def test_more_bytes_than_allowed_are_not_read(http: Client, there: Peer) -> None:
    there.answers["/"] = (200, {}, bytes(1001))
    assert len(http.get(there.url(), limit=1001).content) == 1001

    with pytest.raises(Permanent, match="more than 1,000 bytes"):
        http.get(there.url(), limit=1000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_small_answer_does_not_become_a_large_one(http: Client, there: Peer, encoding: str) -> None:
    packed = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    there.answers["/"] = (200, {"Content-Encoding": encoding}, packed.compress(bytes(30_000_000)) + packed.flush())

    with pytest.raises(Permanent, match="more than 10,000,000 bytes"):
        http.get(there.url())


@pytest.mark.parametrize("fault", ["hang", "drip", "drip_headers"])
def test_the_time_limit_holds_for_the_whole(http: Client, there: Peer, fault: str) -> None:
    there.answers["/"] = getattr(there, fault)

    with pytest.raises(Transient, match=r"127\.0\.0\.1 took longer than 0\.2 seconds"):
        http.get(there.url(), seconds=0.2)


def test_leaving_ends_what_is_under_way(there: Peer) -> None:
    there.answers["/"] = there.hang
    caught: list[DeliveryError] = []

    def fetch() -> None:
        with pytest.raises(Transient) as error:
            http.get(there.url())
        caught.append(error.value)

    with guarded(["127.0.0.0/8"]) as http:
        thread = threading.Thread(target=fetch)
        thread.start()
        while not there.asked:
            threading.Event().wait(0.01)
    thread.join()

    assert len(caught) == 1


# -- many, politely ------------------------------------------------------------------------------------------------


def outcome(pair: tuple[Asked, Response | DeliveryError]) -> tuple[str, str]:
    asked, got = pair
    return asked.url.rpartition("/")[2], type(got).__name__


def test_many_come_in_side_by_side_and_one_failure_stops_no_other(http: Client, there: Peer) -> None:
    there.answers |= {"/0": (404, {}, b""), "/1": drop, "/2": raw(b"nonsense")}
    urls = [there.url(f"/{number}", f"h{number}.example.org") for number in range(40)] + ["http://10.0.0.1/private", "nonsense:/"]

    got = dict(map(outcome, http.each(Asked(url=url) for url in urls)))

    assert got == {f"{number}": "Response" for number in range(3, 40)} | {
        "0": "Permanent", "1": "Transient", "2": "Transient", "private": "Permanent", "": "Permanent"
    }  # fmt: skip
    assert max(there.at_once.values()) == 1


def test_a_host_is_asked_one_thing_at_a_time_whoever_asks(http: Client, there: Peer) -> None:
    there.thinks = 0.002

    def gather() -> None:
        assert all(isinstance(got, Response) for _, got in http.each(Asked(url=there.url(f"/{number}")) for number in range(20)))

    threads = [threading.Thread(target=gather) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(there.asked) == 80
    assert set(there.at_once.values()) == {1}


def test_who_asks_to_be_left_alone_is_left_alone_for_the_rest_of_the_run(there: Peer) -> None:
    now = [NOW]
    there.answers["/busy"] = (429, {"Retry-After": "120"}, b"")
    with guarded(["127.0.0.0/8"], clock=lambda: now[0]) as http:
        got = [one for _, one in http.each(Asked(url=there.url(path)) for path in ("/busy", "/a", "/b"))]
        assert [(type(one), one.wait) for one in got if isinstance(one, Transient)] == [(Transient, 120.0)] * 3
        assert len(there.asked) == 1

        now[0] += timedelta(seconds=121)

        assert http.get(there.url("/a")).content == b"here"


def test_who_is_late_several_times_is_not_asked_again(http: Client, there: Peer) -> None:
    there.answers |= {f"/{number}": there.hang for number in range(9)}

    got = [str(one) for _, one in http.each(Asked(url=there.url(f"/{number}"), seconds=0.1) for number in range(9))]

    assert len(there.asked) == 3
    assert got[3:] == ["127.0.0.1 did not answer in time, several times; it was not asked again"] * 6


def test_leaving_early_leaves_the_rest_unasked(http: Client, there: Peer) -> None:
    answers = http.each(Asked(url=there.url(f"/{number}")) for number in range(50))
    next(answers)
    answers.close()  # type: ignore[attr-defined]

    assert len(there.asked) < 5


# -- posting -------------------------------------------------------------------------------------------------------

POSTED = [
    ((400, {}, b"no"), Permanent), ((404, {}, b""), Permanent), ((409, {}, b""), Permanent), ((422, {}, b""), Permanent),
    ((301, {"Location": "/new"}, b""), Permanent), ((307, {"Location": "/new"}, b""), Permanent),
    ((303, {"Location": "/new"}, b""), Unsure),
    ((401, {}, b""), Paused), ((403, {}, b""), Paused), ((429, {}, b""), Transient), ((503, {"Retry-After": "9"}, b""), Transient),
    ((503, {}, b""), Unsure), ((500, {}, b""), Unsure), ((408, {}, b""), Unsure), (drop, Unsure), (raw(b"nonsense\r\n"), Unsure),
    (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhere"), Unsure), ((200, {"Content-Encoding": "br"}, b""), Unsure),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "word"), POSTED)
def test_each_failure_of_posting_has_its_word(http: Client, there: Peer, answer: Any, word: type[DeliveryError]) -> None:
    there.answers["/"] = answer

    with pytest.raises(DeliveryError) as caught:
        http.post(there.url(), json={})

    assert type(caught.value) is word
    assert len(there.asked) == 1


def test_where_nothing_was_sent_it_is_tried_again(http: Client) -> None:
    with peer() as gone:
        pass

    with pytest.raises(Transient, match="Connection refused"):
        http.post(gone.url(), json={})


def test_a_header_that_cannot_be_one_is_never_sent(http: Client, there: Peer) -> None:
    with pytest.raises(Transient, match="was not asked"):
        http.post(there.url(), headers={"X-Title": "a\r\nX-Evil: 1"}, json={})

    assert there.asked == []


def test_a_status_can_be_an_answer(http: Client, there: Peer) -> None:
    there.answers["/"] = (404, {}, b"no such post" * 1000)

    assert http.request("GET", there.url(), accept=[404]).content == b"no such post" * 1000


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD"])
def test_every_method_can_be_used(http: Client, there: Peer, method: str) -> None:
    got = http.request(method, there.url("/x"), headers={"X-A": "b"})

    assert (got.status, got.content) == (200, b"" if method == "HEAD" else b"here")
    assert (there.asked[0].method, there.asked[0].headers["x-a"]) == (method, "b")


def test_values_are_sent_as_json_as_a_form_or_as_they_are(http: Client, there: Peer) -> None:
    http.post(there.url(), json={"a": "ü", "s": Secret("open")})
    http.post(there.url(), data={"a": "ü&", "b": Secret("open")})
    http.post(there.url(), content=b"\0", headers={"content-type": "image/png"})

    first, second, third = there.asked
    assert (first.headers["content-type"], first.body) == ("application/json", b'{"a": "\\u00fc", "s": "open"}')
    assert second.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(second.body.decode()) == [("a", "ü&"), ("b", "open")]
    assert (third.headers["content-type"], third.body) == ("image/png", b"\0")


def test_files_are_sent_with_their_names_and_types(http: Client, there: Peer) -> None:
    http.post(there.url(), data={"text": "Müde"}, files={"media": ('pic"1.png', b"\x89PNG\r\n\0", "image/png")})

    [asked] = there.asked
    whole = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode() + asked.body
    text, media = (part for part in message_from_bytes(whole, policy=default).walk() if not part.is_multipart())
    assert isinstance(media, EmailMessage)
    assert (text.get_param("name", header="content-disposition"), text.get_payload(decode=True)) == ("text", "Müde".encode())
    assert (media.get_filename(), media.get_content_type(), media.get_payload(decode=True)) == (
        "pic%221.png",
        "image/png",
        b"\x89PNG\r\n\0",
    )


# -- nothing told that is a secret ---------------------------------------------------------------------------------


def test_what_a_server_repeats_of_a_secret_is_not_shown(http: Client, there: Peer) -> None:
    basic = "Basic am95OnMzY3JldC1wYXNz"  # joy:s3cret-pass
    said = f'token "abc-123-xyz" {basic} bot98765:AAHdqTcvCH1vGWJ "pa\\"ss" hidden'
    there.answers["/bot98765:AAHdqTcvCH1vGWJ/send"] = (400, {}, said.encode())

    with pytest.raises(Permanent) as caught:
        http.post(
            there.url("/bot98765:AAHdqTcvCH1vGWJ/send"),
            headers={"X-Token": "abc-123-xyz", "Authorization": basic},
            json={"password": 'pa"ss', "who": Secret("hidden")},
        )

    assert str(caught.value) == '127.0.0.1 answered 400: token "•••" ••• ••• "•••" •••'


def test_a_page_for_people_is_not_repeated_and_other_words_only_in_part(http: Client, there: Peer) -> None:
    there.answers |= {"/page": (400, {"Content-Type": "text/html"}, b"<h1>No</h1>"), "/words": (400, {}, b"no\n\x1b[31m " * 5000)}
    reasons = []
    for path in ("/page", "/words"):
        with pytest.raises(Permanent) as caught:
            http.post(there.url(path), json={})
        reasons.append(caught.value.reason)

    assert reasons[0] == "127.0.0.1 answered 400"
    assert reasons[1].startswith("127.0.0.1 answered 400: no [31m no [31m")
    assert len(reasons[1]) < 250


# -- for all bytes -------------------------------------------------------------------------------------------------


@given(st.binary(max_size=200_000), st.integers(1, 5000), st.sampled_from([31, 15, -15]))
@settings(max_examples=50)
def test_decompressing_in_pieces_gives_what_went_in(data: bytes, size: int, window: int) -> None:
    maker = zlib.compressobj(wbits=window)
    packed = maker.compress(data) + maker.flush()
    pieces = (packed[start : start + size] for start in range(0, len(packed), size))

    assert b"".join(wire._decompressed(pieces, max(window, 15))) == data
