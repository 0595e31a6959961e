"""Post each publication into a Matrix room.

    [[channel]]
    name = "room"
    plugin = "matrix_room"
    server = "https://matrix.example.org"
    room = "!OGEhHVWSdvArJzumhm:example.org"
    token = "env:MATRIX_TOKEN"

`room` is the room's internal id: in Element, Settings, Advanced. The token is that of an account which has joined the room,
best one of its own: Settings, Help & About, Access Token. Rooms with end-to-end encryption cannot be posted to.
"""

from dataclasses import dataclass
from urllib.parse import quote

from amplify.api import Channel, Delivery, Message, Receipt, Secret, Services, Traits, Unknown, hookimpl, single

KEY = "org.amplify.key"


@dataclass(frozen=True)
class Options:
    server: str
    """The address of the homeserver."""
    room: str
    """Begins with !"""
    token: Secret
    """The access token of the account that posts."""


class MatrixRoom:
    traits = Traits(form="post", audience="public", limit=4000)

    def __init__(self, options: Options, services: Services) -> None:
        if not options.room.startswith("!"):
            raise ValueError(f"room = {options.room!r} is no internal id of a room, which begins with !")
        self.name, self.services = options.room, services
        self.room = f"{options.server.rstrip('/')}/_matrix/client/v3/rooms/{quote(options.room, safe='')}"
        self.headers = {"Authorization": f"Bearer {options.token.reveal()}"}

    def session(self, message: Message):
        return single(self.deliver, message)

    def deliver(self, delivery: Delivery, message: Message) -> Receipt:
        """The key makes it one event, as long as the server remembers it; that is minutes, and so it is in the event as well."""
        event = {"msgtype": "m.notice", "body": message.text, KEY: delivery.key}
        address = f"{self.room}/send/m.room.message/{delivery.key}"
        return self.receipt(self.services.http.request("PUT", address, headers=self.headers, json=event).json()["event_id"])

    def find(self, delivery: Delivery, message: Message) -> Receipt | None:
        """Among the newest hundred events. Where these do not reach back to the day when it began, nobody can tell."""
        seen = self.services.http.get(f"{self.room}/messages?dir=b&limit=100", headers=self.headers).json()
        for event in seen["chunk"]:
            if event["content"].get(KEY) == delivery.key:
                return self.receipt(event["event_id"])
        if seen.get("end") and seen["chunk"][-1]["origin_server_ts"] > message.date.timestamp() * 1000:
            raise Unknown("a hundred things were said in the room since; have a look there")
        return None

    def receipt(self, event: str) -> Receipt:
        return Receipt(id=event, url=f"https://matrix.to/#/{self.name}/{event}", at=self.services.clock())


@hookimpl
def amplify_channels():
    return [Channel("matrix_room", Options, MatrixRoom)]
