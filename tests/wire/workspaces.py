"""Fresh workspaces in a running headwater."""

from itertools import count

from harness import Server
from wire.client import Client

_numbers = count(1)


def new_workspace(server: Server) -> Client:
    """A client with the first key of a new workspace that has the preset `ecommerce`."""
    operator = Client(server.url, server.key)
    name = f"test {next(_numbers)}"
    answer = operator.call("POST", "/v1/workspaces", {"name": name, "preset": "ecommerce"})
    operator.close()
    assert answer.status == 201, answer
    return Client(server.url, answer.json["api_key"])
