"""Drafts, and messages of Segment's, from the command line."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from cli.test_commands import run
from harness import Workspace


def test_messages_are_sent_and_their_draft_approved(workspace: Workspace, tmp_path: Path) -> None:
    here = {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key}
    file = tmp_path / "messages.json"
    track = {"type": "track", "userId": "ada", "event": "Amount Paid", "properties": {"amount": 5}, "messageId": "m-1"}
    file.write_text(json.dumps({"batch": [track]}))
    refused = run("events", "send", str(file), code=1, **here).stderr
    assert "batch[0].event is not a known event: 'Amount Paid'" in refused
    assert (
        '"unknown_signals": "draft"' in run("workspaces", "set", "--unknown-signals", "draft", "--json", **here).stdout
    )
    file.write_text("\n".join(json.dumps(each) for each in (track, track, {"type": "page", "userId": "ada"})))
    assert "3 events sent" in run("events", "send", str(file), **here).stdout
    drafts = json.loads(run("signals", "list", "--drafts", "--json", **here).stdout)
    assert [each["slug"] for each in drafts] == ["amount-paid"]
    metric = ["--type", "metric", "--aggregation", "sum", "--period", "day", "--value", "amount"]
    done = json.loads(run("signals", "approve", "amount-paid", *metric, "--json", **here).stdout)
    assert (done["signal"]["type"], done["replay"]["replayed"]) == ("metric", 1)
    assert "no draft" in run("signals", "approve", "amount-paid", code=1, **here).stderr


@pytest.mark.parametrize("pending", [False, True])
def test_what_an_approval_could_not_take_is_told(pending: bool) -> None:
    class Approving(BaseHTTPRequestHandler):
        """A server whose engine is behind, or not."""

        def do_POST(self) -> None:
            body = json.dumps({"signal": {"slug": "paid"}, "replay": None, "pending": pending}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Approving) as server:
        threading.Thread(target=server.handle_request).start()
        here = {"HEADWATER_URL": f"http://127.0.0.1:{server.server_port}", "HEADWATER_KEY": "sk_any"}
        said = run("signals", "approve", "paid", **here).stderr
    assert ("headwater rejected replay --reason signal_draft --signal paid" in said) == pending
