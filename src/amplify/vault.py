"""Where secrets are kept: the environment, a file, the keyring of the computer. The settings hold references only."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from amplify.errors import AmplifyError, MissingExtra
from amplify.secret import Secret

_REFERENCE = re.compile(r"(env|file|keyring):(.*)")
_SET_IT = "write env:NAME instead, and set that variable"


class Unreachable(AmplifyError):
    """A secret is not where a reference says; `remedy` is what to do."""

    def __init__(self, message: str, remedy: str = "write env:NAME, file:PATH or keyring:SERVICE/NAME and put the secret there") -> None:
        super().__init__(message)
        self.remedy = remedy


def is_reference(written: str) -> bool:
    """Whether it says where a secret is, and is none itself."""
    return bool(_REFERENCE.fullmatch(written))


def follow(reference: str, root: Path) -> Secret:
    """The secret that a reference leads to; what is no reference is the secret itself. Raises Unreachable."""
    found = _REFERENCE.fullmatch(reference)
    if not found:
        return Secret(reference)
    scheme, rest = found.groups()
    return Secret({"env": _variable, "file": _file, "keyring": _from_keyring}[scheme](rest, root))


def _variable(name: str, root: Path) -> str:  # noqa: ARG001 - as the others are called
    if name not in os.environ:
        raise Unreachable(f"the variable {name} is not set")
    return os.environ[name]


def _file(path: str, root: Path) -> str:
    try:
        return (root / path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        raise Unreachable(f"the file {path} cannot be read") from error


def _from_keyring(place: str, root: Path) -> str:  # noqa: ARG001 - as the others are called
    service, slash, name = place.partition("/")
    if not (service and slash and name):
        raise Unreachable(f"keyring:{place} says no place", "write keyring:SERVICE/NAME")
    with _keyring() as keyring:
        value: str | None = keyring.get_password(service, name)
    if value is None:
        raise Unreachable(f"the keyring has nothing for {name} under {service}", "put it there:  amplify connect")
    return value


def keep(service: str, name: str, secret: Secret) -> str:
    """Put a secret into the keyring of this computer; the reference to it. Raises Unreachable where there is none."""
    with _keyring() as keyring:
        keyring.set_password(service, name, secret.reveal())
        if keyring.get_password(service, name) != secret.reveal():
            raise Unreachable("this computer has no keyring that keeps anything", _SET_IT)
    return f"keyring:{service}/{name}"


@contextmanager
def _keyring() -> Iterator[Any]:
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError as error:
        missing = MissingExtra("keyring:", "keyring")
        raise Unreachable("the keyring needs an optional part of Amplify", str(missing).rpartition("\n")[2].strip()) from error
    try:
        yield keyring
    except NoKeyringError as error:
        raise Unreachable("this computer has no keyring", _SET_IT) from error
    except (KeyringError, RuntimeError, OSError) as error:
        raise Unreachable(f"the keyring of this computer does not answer: {error or type(error).__name__}", _SET_IT) from error
