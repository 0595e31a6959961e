"""The guarded HTTP client: everything that Amplify and its plugins fetch or post goes through it.

Only to addresses that `guard` lets through, on each hop; bytes, seconds, redirects and headers bounded; no cookies, no
proxies, no passwords from the environment; one request at a time for each host, and no further one while it asked for
peace. What goes wrong becomes one of the words for failures: Permanent, Transient, Paused, Unsure.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.client import HTTPConnection, HTTPException
from queue import SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from amplify import __version__
from amplify.api import LIMIT, SECONDS, Asked, Response
from amplify.errors import DeliveryError, Paused, Permanent, Transient, Unsure
from amplify.guard import Guard, Resolve, Target, look_up, parse
from amplify.wire import NONE, Headers, TooMuch, body, content, excerpt, headers_of, retry_after, secrets_in

REDIRECTS = 5
SIDE_BY_SIDE = 16
_POST_SECONDS = 60.0
_PATIENCE = 3
"""A host that let so many time limits pass is left alone for the rest of the run."""
_REST = timedelta(minutes=1)
"""How long a host is left alone that asks for peace and does not say for how long."""
_MOVED = (301, 302, 303, 307, 308)
_SAFE = ("GET", "HEAD", "OPTIONS")
_KEPT = ("accept", "if-none-match", "if-modified-since")
"""What is said to another host after a redirect too."""


def agent(url: str, contact: str) -> str:
    """Who is fetching, for those whose server it is."""
    who = "; ".join(part for part in (f"+{url}" if url else "", contact) if part)
    return f"Amplify/{__version__}" + re.sub(r"[^ -~]", "?", f" ({who})" if who else "")


@contextmanager
def guarded(
    allow: Iterable[str] = (),
    agent: str = f"Amplify/{__version__}",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    resolve: Resolve = look_up,
    longest: float = math.inf,
) -> Iterator[Client]:
    """The client for one run; `allow` names networks that are no part of the public internet. Raises AmplifyError.

    No request takes longer than `longest` seconds, whatever is asked for.
    """
    guard = Guard(allow, resolve)
    try:
        yield Client(guard, agent, clock, longest)
    finally:
        guard.close()


class _Trouble(Exception):
    """No whole answer came; `sent` says whether the request may have arrived."""

    def __init__(self, reason: str, *, sent: bool, late: bool = False) -> None:
        super().__init__(reason)
        self.sent, self.late = sent, late


@dataclass(slots=True)
class _Host:
    """What is known of a host in this run."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    until: datetime | None = None
    late: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One request, whichever hop it is on; `told` holds what a report must not show."""

    method: str
    headers: Headers
    body: bytes | None = None
    limit: int = LIMIT
    seconds: float = SECONDS
    accept: frozenset[int] = frozenset()
    told: frozenset[str] = frozenset()


class Client:
    """Implements `amplify.api.Http`."""

    def __init__(self, guard: Guard, agent: str, clock: Callable[[], datetime], longest: float) -> None:
        self._guard, self._agent, self._clock, self._longest = guard, agent, clock, longest
        self._hosts: defaultdict[str, _Host] = defaultdict(_Host)

    # -- reading -------------------------------------------------------------------------------------------------------

    def get(
        self, url: str, *, headers: Headers = NONE, etag: str = "", modified: str = "", limit: int = LIMIT, seconds: float = SECONDS
    ) -> Response:
        """What is at an address: status 200, or 304 where it is unchanged. Raises Permanent or Transient."""
        return self._read(Asked(url=url, headers=headers, etag=etag, modified=modified, limit=limit, seconds=seconds))

    def each(self, asked: Iterable[Asked]) -> Iterator[tuple[Asked, Response | DeliveryError]]:
        """Many addresses side by side, one at a time for each host, as they come in. A failure is a value, and stops no other."""
        waiting: dict[str, deque[Asked]] = {}
        for one in asked:
            waiting.setdefault(_host_of(one.url), deque()).append(one)
        free, flying = deque(waiting), 0
        done: _Done = SimpleQueue()
        pool = ThreadPoolExecutor(SIDE_BY_SIDE, "fetch")
        try:
            while free or flying:
                while free and flying < SIDE_BY_SIDE:
                    host = free.popleft()
                    one = waiting[host].popleft()
                    pool.submit(self._tried, one).add_done_callback(partial(_put, done, host, one))
                    flying += 1
                host, one, future = done.get()
                flying -= 1
                if waiting[host]:
                    free.append(host)
                yield one, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _tried(self, asked: Asked) -> Response | DeliveryError:
        try:
            return self._read(asked)
        except DeliveryError as error:
            return error

    def _read(self, asked: Asked) -> Response:
        validators = {"If-None-Match": asked.etag, "If-Modified-Since": asked.modified}
        headers = {**asked.headers, **{name: value for name, value in validators.items() if value}}
        call = _Call(method="GET", headers=headers, limit=asked.limit, seconds=asked.seconds)
        try:
            response = self._followed(call, parse(asked.url), patient=False)
        except _Trouble as trouble:
            raise Transient(str(trouble)) from trouble
        if 200 <= response.status < 300 or (response.status == 304 and (asked.etag or asked.modified)):
            return response
        raise self._failure(call, response, sender=False)

    # -- asking for more than that -------------------------------------------------------------------------------------

    def post(
        self,
        url: str,
        *,
        headers: Headers = NONE,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        content: bytes | None = None,
        accept: Iterable[int] = (),
    ) -> Response:
        """`request` with the method POST."""
        return self.request("POST", url, headers=headers, json=json, data=data, files=files, content=content, accept=accept)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = NONE,
        json: Any = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        content: bytes | None = None,
        accept: Iterable[int] = (),
    ) -> Response:
        """For channels. Raises Permanent, Transient, Paused, and Unsure where the far end may have acted."""
        target = parse(url)
        kind, sent = body(json, data, files, content)
        told = frozenset(secrets_in(url, headers, json, data))
        headers = {**({"Content-Type": kind} if kind else {}), **headers}
        call = _Call(method=method.upper(), headers=headers, body=sent, seconds=_POST_SECONDS, accept=frozenset(accept), told=told)
        try:
            response = self._followed(call, target, patient=True)
        except _Trouble as trouble:
            raise (Unsure if trouble.sent and call.method not in _SAFE else Transient)(str(trouble)) from trouble
        if 200 <= response.status < 300 or response.status in call.accept:
            return response
        raise self._failure(call, response, sender=True)

    def _failure(self, call: _Call, response: Response, *, sender: bool) -> DeliveryError:
        """What an answer means that is not the wanted one; `sender` where it can be about who asks."""
        status, host = response.status, urlsplit(response.url).hostname
        said = f"{host} answered {status}{excerpt(response, call.told)}"
        wait = retry_after(response.headers, self._clock())
        if status in (401, 403):
            return Paused(said) if sender else Permanent(said)
        if status == 429 or (status == 503 and wait is not None):
            return Transient(said, wait)
        if status == 408 or status >= 500 or status in (302, 303):
            return Transient(said, wait) if call.method in _SAFE else Unsure(said)
        if status in _MOVED:
            return Permanent(f"{said}: it has moved to {response.headers.get('location', 'nowhere')[:200]}")
        return Transient(said) if status < 400 else Permanent(said)

    # -- one request after the other -----------------------------------------------------------------------------------

    def _followed(self, call: _Call, target: Target, *, patient: bool) -> Response:
        """The answer after redirects, which only a request that changes nothing follows. Raises _Trouble, Permanent, Transient."""
        call = replace(call, seconds=min(call.seconds, self._longest))
        left = call.seconds
        for hop in range(REDIRECTS + 1):
            began, response = self._in_turn(call, target, left, patient=patient)
            location = response.headers.get("location")
            if response.status not in _MOVED or call.method not in _SAFE or not location or response.status in call.accept:
                return response
            if hop == REDIRECTS:
                break
            left -= time.monotonic() - began
            there = target.joined(location)
            if (there.scheme, there.authority) != (target.scheme, target.authority):
                call = _elsewhere(call)
            target = there
        raise Permanent(f"{target.host} redirects more than {REDIRECTS} times")

    def _in_turn(self, call: _Call, target: Target, left: float, *, patient: bool) -> tuple[float, Response]:
        """When it began, and what came. Nobody asks a host while somebody else does; time spent waiting for that is not counted."""
        host = self._hosts[target.authority]
        with host.turn:
            if not patient:
                self._leave_alone(target, host)
            began = time.monotonic()
            try:
                response = self._once(call, target, began + left)
            except _Trouble as trouble:
                host.late += trouble.late
                raise
            if response.status in (429, 503):
                wait = retry_after(response.headers, self._clock())
                if wait is not None or response.status == 429:
                    host.until = self._clock() + (_REST if wait is None else timedelta(seconds=wait))
            return began, response

    def _leave_alone(self, target: Target, host: _Host) -> None:
        if host.until and (wait := (host.until - self._clock()).total_seconds()) > 0:
            raise Transient(f"{target.host} asked to be left alone for a while", wait)
        if host.late >= _PATIENCE:
            raise Transient(f"{target.host} did not answer in time, several times; it was not asked again")

    def _once(self, call: _Call, target: Target, until: float) -> Response:
        sent = False
        try:
            with self._guard.connection(target, until) as sock:
                connection = HTTPConnection(target.host, target.port)
                connection.sock = sock
                connection.putrequest(call.method, target.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self._headers(call, target).items():
                    connection.putheader(name, value)
                sent = True
                connection.endheaders(call.body)
                with connection.getresponse() as answer:
                    headers = headers_of(answer)
                    wanted = answer.status < 300 or answer.status in call.accept
                    got = content(answer, headers, call.limit, whole=wanted) if call.method != "HEAD" else b""
        except TooMuch as error:
            raise (Permanent if call.method in _SAFE else Unsure)(f"{target.host} {error}") from error
        except (OSError, HTTPException, EOFError, ValueError) as error:
            late = time.monotonic() >= until
            reason = f"took longer than {call.seconds:g} seconds" if late else _reason(error, sent=sent)
            raise _Trouble(f"{target.host} {reason}", sent=sent, late=late) from error
        return Response(url=target.url, status=answer.status, headers=headers, content=got)

    def _headers(self, call: _Call, target: Target) -> dict[str, str]:
        ours = {
            "host": target.authority,
            "user-agent": self._agent,
            "accept": "*/*",
            "accept-encoding": "gzip, deflate",
            "connection": "close",
        }
        length = str(len(call.body)) if call.body is not None else "0"
        if call.body is not None or call.method not in _SAFE:
            ours["content-length"] = length
        return {**ours, **{name.lower(): "".join(value) for name, value in call.headers.items()}, "host": target.authority}


def _elsewhere(call: _Call) -> _Call:
    """The request as another host gets it: without what the caller said to the first one."""
    return replace(call, headers={name: value for name, value in call.headers.items() if name.lower() in _KEPT})


_Done = SimpleQueue[tuple[str, Asked, Future[Response | DeliveryError]]]


def _put(done: _Done, host: str, asked: Asked, future: Future[Response | DeliveryError]) -> None:
    done.put((host, asked, future))


def _host_of(url: str) -> str:
    try:
        return parse(url).authority
    except Permanent:
        return ""


def _reason(error: Exception, *, sent: bool) -> str:
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, EOFError):
        return str(error)
    if isinstance(error, OSError) and not isinstance(error, HTTPException):
        return f"cannot be reached: {getattr(error, 'verify_message', '') or error.strerror or error}"
    return "does not answer as a web server does" if sent else f"was not asked: {error}"
