"""What docs/client.md shows is run, as it stands there, against a real headwater."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness import Workspace, guarded, until

ROOT = Path(__file__).parents[2]
GUIDE, README = ROOT / "docs" / "client.md", ROOT / "client" / "README.md"


class Piece(NamedTuple):
    """A block of Python in a page."""

    name: str
    """Its file, where its first line says one."""
    text: str


def pieces(page: Path) -> list[Piece]:
    found = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
    named = [re.match(r"# (\S+\.py)\n", text) for text in found]
    return [Piece(match[1] if match else "", text) for match, text in zip(named, found, strict=True)]


FILES = {piece.name: piece.text for piece in pieces(GUIDE) if piece.name}
PROGRAMS = [piece.text for page in (GUIDE, README) for piece in pieces(page) if not piece.name]


def environment(workspace: Workspace, folder: Path, **more: str) -> dict[str, str]:
    told = {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key, "PYTHONPATH": str(folder)}
    return {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")} | told | more


def run(workspace: Workspace, folder: Path, *arguments: str, **more: str) -> str:
    """What Python prints, in a folder."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment(workspace, folder, **more), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def write(folder: Path, **files: str) -> None:
    """Files by their names, `.py` and folders' `/` left out as `__`."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def defined(workspace: Workspace, *slugs: str) -> None:
    for slug in slugs:
        assert workspace.client.post("/v1/signals", json={"name": slug, "type": "event"}).status_code == 201


def stored(workspace: Workspace, count: int) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]] | None:
        events: list[dict[str, Any]] = workspace.client.get("/v1/events?limit=1000").json()["data"]
        assert len(events) <= count
        return events if len(events) == count else None

    return until(found, 30, f"{count} events are there")


def test_every_program_of_the_pages_works(workspace: Workspace, tmp_path: Path) -> None:
    defined(workspace, "visits")
    said = [run(workspace, tmp_path, "-c", program) for program in PROGRAMS]
    assert len(said) == 5 and sum("nowhere unknown_signal signal" in each for each in said) == 1
    names = sorted(event["signal"] for event in stored(workspace, 5))
    assert names == ["addToCart", "addToCart", "visits", "visits", "visits"]


def test_the_tests_with_the_fake_pass() -> None:
    names: dict[str, Any] = {}
    exec(FILES["test_tracking.py"], names)
    tests = [test for name, test in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


DJANGO = """
import django
from django.conf import settings

settings.configure(
    ROOT_URLCONF="urls",
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="x",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.db import transaction
from django.test import Client

form = {"product": "p1", "variant": "v1", "email": "ann@example.com"}
assert Client().post("/cart", form).content == b"added"
with transaction.atomic():
    Client().post("/cart", form)
    transaction.set_rollback(True)
"""
URLS = """
from django.urls import path
from shop.views import add_to_cart

urlpatterns = [path("cart", add_to_cart)]
"""


def test_django(workspace: Workspace, tmp_path: Path) -> None:
    """One order is committed, one is rolled back; the end of the process sends the first."""
    shop = {"shop____init__": "", "shop__tracking": FILES["shop/tracking.py"], "shop__views": FILES["shop/views.py"]}
    write(tmp_path, urls=URLS, **{name: text for name, text in shop.items() if text})
    run(workspace, tmp_path, "-c", DJANGO, HEADWATER_SPOOL=str(tmp_path / "spool"))
    assert [event["identities"][0]["id"] for event in stored(workspace, 1)] == ["ann@example.com"]
    assert not list((tmp_path / "spool").iterdir())


FASTAPI = """
from fastapi.testclient import TestClient
from api import app, headwater

with TestClient(app) as client:
    answer = client.post("/accounts/001/visits", params={"page": "/docs"})
    assert answer.json() == {"tracked": True}, answer.text
"""


def test_fastapi(workspace: Workspace, tmp_path: Path) -> None:
    defined(workspace, "visits")
    write(tmp_path, api=FILES["api.py"])
    run(workspace, tmp_path, "-c", FASTAPI)
    assert [event["data"] for event in stored(workspace, 1)] == [{"page": "/docs"}]


QUEUE = """
import celery_setup
import tasks

for number in range(20):
    tasks.bill.delay("001", f"invoice-{number}")
"""
BROKER = """
import pathlib
from tasks import app

folder = pathlib.Path(__file__).parent / "queue"
folder.mkdir(exist_ok=True)
both = {"data_folder_in": str(folder), "data_folder_out": str(folder)}
app.conf.broker_transport_options = both | {"control_folder": f"{folder}-control"}
"""


@contextmanager
def worker(folder: Path, told: dict[str, str], *options: str) -> Iterator[Path]:
    """A Celery worker, killed in the end; its log."""
    command = [sys.executable, "-m", "celery", "-A", "celery_setup:app", "worker", "-P", "prefork", *options]
    command += ["--loglevel", "INFO", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=told, stdout=log, stderr=log, start_new_session=True)
    guarded(process.pid)
    try:
        yield folder / "worker.log"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


def invoices(events: list[dict[str, Any]]) -> list[str]:
    return sorted(event["data"]["invoice"] for event in events)


EVERY_INVOICE = sorted(f"invoice-{number}" for number in range(20))


@pytest.mark.parametrize("killed", [False, True])
def test_celery(workspace: Workspace, tmp_path: Path, killed: bool) -> None:
    """Forked processes that end after ten tasks send what is left; killed ones leave it to the spool."""
    defined(workspace, "invoiced")
    late = FILES["tasks.py"].replace("Settings(", "Settings(interval=3600, ")  # nothing is sent by the way
    write(tmp_path, tasks=late, celery_setup=BROKER)
    spool = str(tmp_path / "spool") if killed else ""
    told = environment(workspace, tmp_path, BROKER="filesystem://", HEADWATER_SPOOL=spool)
    run(workspace, tmp_path, "-c", QUEUE, **told)
    options = ("-c", "2") if killed else ("-c", "1", "--max-tasks-per-child", "10")
    with worker(tmp_path, told, *options) as log:
        until(lambda: log.read_text().count("succeeded in") == 20, 60, "20 tasks ran")
        if not killed:
            assert invoices(stored(workspace, 20)) == EVERY_INVOICE
            return
    assert not workspace.client.get("/v1/events").json()["data"]
    again = "import tasks\nassert tasks.client.close(30) and tasks.client.figures().adopted == 20"
    run(workspace, tmp_path, "-c", again, **told)
    assert invoices(stored(workspace, 20)) == EVERY_INVOICE and not os.listdir(spool)
