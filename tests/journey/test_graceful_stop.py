"""SIGTERM: what is in flight is answered, and what was answered is kept."""

import random
import socket
import time

from figures import Section, tell
from harness import Server
from journey.load import Ledger, check, load, prepare
from wire.client import receive
from wire.languages import BIGMIND, BIK, Language


def half_sent(server: Server, language: Language, body: bytes) -> socket.socket:
    """A connection on which a request's head and half of its body have gone out."""
    head = f"POST {language.batch} HTTP/1.1\r\nHost: headwater\r\nAuthorization: Bearer {server.key}\r\n"
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
    return connection


def test_requests_in_flight_are_answered(fresh_server: Server) -> None:
    prepare(fresh_server)
    token = {"token": "1"}
    bodies = {
        BIK: BIK.batch_of(BIK.event(eventName="load", eventProperties=token)),
        BIGMIND: BIGMIND.batch_of(BIGMIND.event(signal="load", data=token)),
    }
    connections = {language: half_sent(fresh_server, language, body) for language, body in bodies.items()}
    time.sleep(0.3)
    fresh_server.process.terminate()
    time.sleep(0.7)
    for language, connection in connections.items():
        body = bodies[language]
        connection.sendall(body[len(body) // 2 :])
        answer = receive(connection)
        assert answer.status == 200, f"{language}: {answer}"
        connection.close()
    assert fresh_server.process.wait(40) == 0
    fresh_server.start()
    fresh_server.wait_engine()
    fresh_server.wait_drained()
    with fresh_server.client() as client:
        assert len(client.get("/v1/events").json()["data"]) == 2


def test_stop_under_load(fresh_server: Server) -> None:
    """Three times: nothing acknowledged is lost, nothing refused is stored, the exit is clean."""
    prepare(fresh_server)
    ledger, chance = Ledger(), random.Random(7)
    for _ in range(3):
        with load(fresh_server, ledger):
            time.sleep(0.3 + chance.random())
            assert fresh_server.stop() == 0, fresh_server.log()
            fresh_server.start()
    assert all(answer.status == 503 for _, answer in ledger.refused), ledger.refused[:3]
    tell(Section.KILLS, "stopped in order under load", stops=3, acknowledged=check(fresh_server, ledger), lost=0)
