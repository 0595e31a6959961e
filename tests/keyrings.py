"""Keyrings for tests: one in memory, and none. The keyring of whoever runs the tests is never touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
