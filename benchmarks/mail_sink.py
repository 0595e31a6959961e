"""A mail server that takes everything and remembers it: `python benchmarks/mail_sink.py PORT LOG [BYTES]`.

LOG gets a line for each mail: its Message-ID and its recipient. BYTES, where it is named, gets every mail as it came: a line
of JSON with its recipient and its length, then the bytes. Nothing is made durable, so that the sender is what is measured.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import BinaryIO, TextIO

_ANSWERS = {b"EHLO": b"250-sink\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n", b"DATA": b"354 go\r\n", b"QUIT": b"221 bye\r\n"}
_END = b"\r\n.\r\n"


class Conversation(asyncio.Protocol):
    """One connection: commands, and mails between them."""

    def __init__(self, log: TextIO, kept: BinaryIO | None) -> None:
        self._log, self._kept = log, kept
        self._came, self._searched = bytearray(), 0
        self._recipient, self._in_mail = "", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._came += data
        while self._mail() if self._in_mail else self._command():
            pass

    def _command(self) -> bool:
        line, found, _ = bytes(self._came[:1000]).partition(b"\r\n")
        if not found:
            return False
        del self._came[: len(line) + 2]
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._recipient = line[line.index(b"<") + 1 : line.index(b">")].decode()
        self._in_mail, self._searched = verb == b"DATA", 0
        if verb == b"QUIT":
            self._flush()
        self._transport.write(_ANSWERS.get(verb, b"250 ok\r\n"))
        if verb == b"QUIT":
            self._transport.close()
        return True

    def _mail(self) -> bool:
        end = self._came.find(_END, max(0, self._searched - len(_END)))
        if end < 0:
            self._searched = len(self._came)
            return False
        mail = bytes(self._came[: end + 2])
        del self._came[: end + len(_END)]
        self._in_mail = False
        head = mail[: mail.index(b"\r\n\r\n")].lower()
        start = head.find(b"message-id:") + len(b"message-id:")
        self._log.write(f"{mail[start : mail.find(b'>', start) + 1].decode().strip()} {self._recipient}\n")
        if self._kept:
            self._kept.write(json.dumps([self._recipient, len(mail)]).encode() + b"\n" + mail)
        self._transport.write(b"250 2.0.0 taken\r\n")
        return True

    def connection_lost(self, _: Exception | None) -> None:
        self._flush()

    def _flush(self) -> None:
        self._log.flush()
        if self._kept:
            self._kept.flush()


async def serve(port: int, log: Path, kept: Path | None) -> None:
    """Take mail until the process is ended."""
    with log.open("a", encoding="utf-8") as lines, (kept or Path("/dev/null")).open("ab") as mails:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Conversation(lines, mails if kept else None), "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if sys.argv[3:] else None))
