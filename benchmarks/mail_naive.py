"""The chain that most scripts are: `python benchmarks/mail_naive.py PORT MAIL.json [KEY.pem]`.

One connection; for each recipient an `EmailMessage` is filled, serialised, signed by dkimpy where a key is named, and sent.
Nothing is written down. MAIL.json: subject, sender, text, html with `{token}` in them, and recipients as [address, token].
"""

from __future__ import annotations

import json
import smtplib
import sys
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any


def built(mail: dict[str, Any], address: str, token: str) -> bytes:
    """One recipient's mail."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = mail["sender"], address, mail["subject"]
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="example.org")
    message["List-Unsubscribe"] = f"<{mail['link'].replace('{token}', token)}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail["text"].replace("{token}", token))
    message.add_alternative(mail["html"].replace("{token}", token), subtype="html")
    return message.as_bytes()


def main(port: int, file: Path, key: Path | None) -> None:
    """Send to everyone."""
    mail = json.loads(file.read_text(encoding="utf-8"))
    secret = key.read_bytes() if key else None
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        for address, token in mail["recipients"]:
            data = built(mail, address, token)
            if secret:
                import dkim

                data = dkim.sign(data, b"mail", b"example.org", secret) + data
            smtp.sendmail("news@example.org", [address], data)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if sys.argv[3:] else None)
