"""Mail providers: what their customers need to send through them. Dated data; nothing here is asked of anybody.

Such facts change. Each provider says when it was looked at and where from, people see both, and whatever is here can be
typed over. `provider`: a page of the provider itself. `others`: pages of others or tables of mail programs, which agree.
`memory`: what is generally known, looked up nowhere. A limit that no page names is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

LOOKED = date(2026, 11, 22)
_SOURCES = {"provider": "from its own pages", "others": "from what others write about it", "memory": "as far as is generally known"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider. `takes` says which password it takes and where to get it; `look` is what else one should know.

    `server` is for outgoing mail, `inbox` for incoming mail.
    """

    name: str
    domains: tuple[str, ...]
    server: str
    inbox: str
    source: Literal["provider", "others", "memory"]
    per_day: int | None = None
    takes: str = ""
    look: str = ""

    @property
    def dated(self) -> str:
        """When and from where this is known."""
        return f"as of {LOOKED.day} {LOOKED:%B %Y}, {_SOURCES[self.source]}"


_MICROSOFT = "Microsoft is turning off passwords for programs, account by account; where it says so, take a mailbox elsewhere"
PROVIDERS = (
    Provider(
        name="Gmail", domains=("gmail.com", "googlemail.com"),
        server="smtps://smtp.gmail.com", inbox="imaps://imap.gmail.com", per_day=500, source="others",
        takes="an app password, for which 2-step verification must be on: https://myaccount.google.com/apppasswords",
        look="Google counts 500 a day for gmail.com and 2,000 for addresses of your own at Google Workspace",
    ),
    Provider(
        name="Outlook.com", domains=("outlook.com", "hotmail.com", "live.com", "msn.com"),
        server="smtp://smtp-mail.outlook.com:587", inbox="imaps://outlook.office365.com",
        per_day=300, source="others", look=_MICROSOFT,
        takes="an app password, for which two-step verification must be on: https://account.live.com/proofs/AppPassword",
    ),
    Provider(
        name="Microsoft 365", domains=("onmicrosoft.com",),
        server="smtp://smtp.office365.com:587", inbox="imaps://outlook.office365.com", per_day=10_000, source="others",
        takes='your password, once an administrator has allowed "Authenticated SMTP" for the mailbox', look=_MICROSOFT,
    ),
    Provider(
        name="Fastmail", domains=("fastmail.com", "fastmail.fm"),
        server="smtps://smtp.fastmail.com", inbox="imaps://imap.fastmail.com", source="others",
        takes="an app password: Settings, Privacy & Security, Manage app passwords",
    ),
    Provider(
        name="GMX", domains=("gmx.de", "gmx.net", "gmx.at", "gmx.ch"),
        server="smtps://mail.gmx.net", inbox="imaps://imap.gmx.net", source="memory",
        takes="your password, once access by mail programs is on: E-Mail, Einstellungen, POP3/IMAP; with two-step login, an app password",
    ),
    Provider(
        name="GMX", domains=("gmx.com", "gmx.us", "gmx.co.uk"),
        server="smtp://mail.gmx.com:587", inbox="imaps://imap.gmx.com", source="others",
        takes="your password, once access by mail programs is on: Settings, POP3 & IMAP",
    ),
    Provider(
        name="WEB.DE", domains=("web.de",), server="smtps://smtp.web.de", inbox="imaps://imap.web.de", source="memory",
        takes="your password, once access by mail programs is on: E-Mail, Einstellungen, POP3/IMAP; with two-step login, an app password",
    ),
    Provider(
        name="iCloud", domains=("icloud.com", "me.com", "mac.com"),
        server="smtp://smtp.mail.me.com:587", inbox="imaps://imap.mail.me.com", per_day=200, source="others",
        takes="an app-specific password: https://account.apple.com, Sign-In and Security",
    ),
    Provider(
        name="Zoho", domains=("zoho.com", "zohomail.com"), server="smtps://smtp.zoho.com", inbox="imaps://imap.zoho.com", source="others",
        takes="your password, or an app password where two-step login is on",
        look="Accounts in Europe use smtp.zoho.eu, and addresses of your own smtppro.zoho.com or smtppro.zoho.eu",
    ),
    Provider(name="Zoho", domains=("zohomail.eu", "zoho.eu"), server="smtps://smtp.zoho.eu", inbox="imaps://imap.zoho.eu", source="others",
             takes="your password, or an app password where two-step login is on"),
    Provider(
        name="Yahoo", domains=("yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "ymail.com"),
        server="smtps://smtp.mail.yahoo.com", inbox="imaps://imap.mail.yahoo.com",
        per_day=500, source="provider", takes="an app password: Account security, Generate app password",
    ),
    Provider(
        name="Proton", domains=("proton.me", "protonmail.com", "pm.me"),
        server="smtp://127.0.0.1:1025", inbox="imap://127.0.0.1:1143", source="others",
        takes="the one that Proton Mail Bridge shows; Bridge must be running on this computer, and needs a paid plan",
        look="Bridge shows its own port. With an address of your own some plans take smtp.protonmail.ch and a token instead",
    ),
    Provider(
        name="IONOS", domains=("ionos.com", "ionos.co.uk", "online.de", "onlinehome.de"),
        server="smtps://smtp.ionos.com", inbox="imaps://imap.ionos.com",
        source="provider", takes="that of the mailbox",
        look="IONOS counts by the hour: 50 in the first week of a contract, 500 after a month; write per_hour = 50 for that",
    ),
    Provider(name="OVHcloud", domains=("ovh.net", "ovh.com"),
             server="smtps://ssl0.ovh.net", inbox="imaps://ssl0.ovh.net", source="memory", takes="that of the mailbox"),
    Provider(
        name="Infomaniak", domains=("ik.me", "ikmail.com", "etik.com"),
        server="smtp://mail.infomaniak.com:587", inbox="imaps://mail.infomaniak.com", per_day=500,
        source="provider", takes="an app password of the mailbox",
        look="Infomaniak counts 500 a day in free offers and 1,440 in paid ones",
    ),
    Provider(name="Posteo", domains=("posteo.de", "posteo.net", "posteo.org"),
             server="smtps://posteo.de", inbox="imaps://posteo.de", source="memory",
             takes="that of the mailbox"),
    Provider(
        name="mailbox.org", domains=("mailbox.org",), server="smtps://smtp.mailbox.org", inbox="imaps://imap.mailbox.org", source="memory",
        takes="that of the mailbox, or an app password where two-step login is on",
        look="mailbox.org names no limit; it watches for what is unusual, so begin with small numbers",
    ),
)  # fmt: skip


def of(address: str) -> Provider | None:
    """The provider of an address, as far as its domain says; an address of one's own says nothing."""
    domain = address.rpartition("@")[2].casefold()
    return next((one for one in PROVIDERS if any(domain == own or domain.endswith(f".{own}") for own in one.domains)), None)


def by_server(server: str) -> Provider | None:
    """The provider behind a server."""
    host = server.partition("://")[2].partition(":")[0].casefold()
    return next(
        (one for one in PROVIDERS if "." in host and host[0].isalpha() and host == one.server.partition("://")[2].partition(":")[0]), None
    )
