"""A channel that only rehearses: what it would send is a file in the outbox, and nothing leaves this computer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from amplify.api import Announcer, Delivery, Message, Receipt, Services, Transient, single


class Rehearsal:
    """Stands in for a channel that would really send; plugins need not know of it."""

    def __init__(self, works: Announcer, services: Services) -> None:
        self.traits = replace(works.traits, outside=False, idempotent=True, connections=1, per_second=None, per_hour=None, per_day=None)
        self._services = services
        self._outbox = services.folder / ".amplify" / "outbox"

    def session(self, message: Message) -> AbstractContextManager[Callable[[Delivery], Receipt]]:
        """Files need no connection."""
        return single(self.deliver, message)

    def deliver(self, delivery: Delivery, message: Message) -> Receipt:
        """The message as a file that people can read, whole or not at all."""
        file = self._file(delivery)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary = file.with_suffix(".new")
            temporary.write_text("\n".join(_shown(self._services.name, delivery, message)) + "\n", "utf-8")
            temporary.replace(file)
        except OSError as error:
            raise Transient(f"{file} cannot be written: {error.strerror}") from error
        return self._receipt(file)

    def find(self, delivery: Delivery, message: Message) -> Receipt | None:  # noqa: ARG002 - the protocol's argument
        """The file is there, whole, or surely not."""
        file = self._file(delivery)
        return self._receipt(file) if file.exists() else None

    def _file(self, delivery: Delivery) -> Path:
        parts = (self._services.name, delivery.publication.partition("/")[2])
        name = "-".join(re.sub(r"[^A-Za-z0-9._+]+", "-", part)[:80].strip("-.") for part in parts)
        return self._outbox / f"{name}-{delivery.key[:8]}.txt"

    def _receipt(self, file: Path) -> Receipt:
        return Receipt(id=file.name, url=None, at=self._services.clock(), note="rehearsal")


def _shown(channel: str, delivery: Delivery, message: Message) -> Iterator[str]:
    yield f"What {channel} would get" + (f" for {delivery.recipient.address}:" if delivery.recipient else ":")
    yield ""
    yield f"Title:    {message.subject}"
    yield f"Link:     {message.link}"
    for one in message.media:
        yield f"Picture:  {one.path}" + (f" ({one.alt})" if one.alt else "")
    text = message.text
    for token, value in delivery.values.items():
        text = text.replace(token, value)
    yield from ("", text)
