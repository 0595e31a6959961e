from datetime import timedelta

from amplify.testing import AnnouncerSuite, Reply


class TestMatrixRoom(AnnouncerSuite):
    kind = "matrix_room"
    talk = 0
    """How many things others said since."""

    def options(self):
        return {"server": self.far.url, "room": "!teachers:example.org", "token": "syt_never_to_be_seen"}

    def answer(self, request):
        if request.method == "PUT":
            return Reply(json={"event_id": "$" + request.path.rpartition("/")[2]})
        ours = [{"event_id": "$1", "content": one.json(), "origin_server_ts": self.milliseconds()} for one in self.far.taken]
        others = [{"event_id": "$2", "content": {}, "origin_server_ts": self.milliseconds(hours=1)}] * self.talk
        events = (others + ours)[:100]
        return Reply(json={"chunk": events, "start": "s1", **({"end": "s2"} if len(events) == 100 else {})})

    def milliseconds(self, **later):
        return (self.clock() + timedelta(**later)).timestamp() * 1000

    def test_where_much_was_said_since_nobody_knows(self):
        self.send()
        self.talk = 200

        assert "a hundred things" in str(self.find())
