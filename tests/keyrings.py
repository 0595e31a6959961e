"""Keyrings for tests: one in memory, and none. The keyring of whoever runs the tests is never touched."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keyring
from keyring.backend import KeyringBackend
from keyring.backends import fail


class Memory(KeyringBackend):
    """A keyring that lasts as long as it is used."""

    priority = 1.0  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class InFile(Memory):
    """One that another process can read: it is kept in the file that the variable `KEYRING_FILE` names."""

    def get_password(self, service: str, username: str) -> str | None:
        self.kept = self._read()
        return super().get_password(service, username)

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept = self._read()
        super().set_password(service, username, password)
        Path(os.environ["KEYRING_FILE"]).write_text(json.dumps([[*key, value] for key, value in self.kept.items()]))

    def _read(self) -> dict[tuple[str, str], str]:
        file = Path(os.environ["KEYRING_FILE"])
        return {(service, name): value for service, name, value in json.loads(file.read_text())} if file.exists() else {}


@contextmanager
def using(backend: KeyringBackend) -> Iterator[KeyringBackend]:
    """For a while this is the keyring of the computer."""
    keyring.set_keyring(backend)
    try:
        yield backend
    finally:
        keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]


def none() -> KeyringBackend:
    """A computer without one."""
    return fail.Keyring()  # type: ignore[no-untyped-call,no-any-return]
