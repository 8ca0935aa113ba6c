"""`headwater import` as its users run it: a process, a file, a real server."""

import csv
import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.test_backup import backup as taken_of
from cli.test_backup import restored, serving
from harness import Server, Workspace, until
from journey.load import export

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("HEADWATER_")}


@pytest.fixture
def here(workspace: Workspace) -> dict[str, str]:
    """The environment of somebody who works in that workspace."""
    return {"HEADWATER_URL": workspace.server.url, "HEADWATER_KEY": workspace.key}


def command(file: Path, *options: str, dialect: str = "bik", backfill: str = "history") -> list[str]:
    own = ["--dialect", dialect, "--backfill", backfill]
    return [sys.executable, "-m", "headwater", "import", str(file), *own, *options]


def run(
    here: dict[str, str], file: Path, *options: str, code: int = 0, dialect: str = "bik", backfill: str = "history"
) -> subprocess.CompletedProcess[str]:
    """`headwater import …`; fails unless it ends with `code`."""
    done = subprocess.run(
        command(file, *options, dialect=dialect, backfill=backfill),
        capture_output=True,
        text=True,
        timeout=120,
        env=CLEAN | here,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def told(here: dict[str, str], file: Path, *options: str, **how: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(here, file, "--json", *options, **how).stdout)
    return found


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "email": f"{number}@example.com",
        "eventName": "keywordSearched",
        "eventProperties": {"keyword": f"k{number}"},
        "createdAt": "2024-11-15",
    } | fields


def lines(tmp_path: Path, events: list[dict[str, Any]], name: str = "events.ndjson") -> Path:
    file = tmp_path / name
    file.write_text("".join(json.dumps(each) + "\n" for each in events))
    return file


def exported(workspace: Workspace) -> list[dict[str, Any]]:
    answer = workspace.client.get("/v1/events/export")
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


def stored(workspace: Workspace, count: int) -> list[dict[str, Any]]:
    """All events of the workspace, once there are so many and none is pending."""

    def probe() -> list[dict[str, Any]] | None:
        rows = exported(workspace)
        return rows if len(rows) >= count and all(row["status"] != "pending" for row in rows) else None

    rows = until(probe, 60, f"{count} events")
    assert len(rows) == count
    return rows


def backfill(workspace: Workspace, name: str = "history") -> dict[str, Any]:
    found = workspace.client.get("/v1/backfills").json()["data"]
    return next(each for each in found if each["name"] == name)


def refused_of(file: Path, workspace: Workspace, name: str = "history") -> Path:
    suffix = ".csv" if file.suffix == ".csv" else ".ndjson"
    return file.with_name(f"{file.name}.{backfill(workspace, name)['id']}.refused{suffix}")


def test_ndjson_each_row_once_into_the_backfill(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    file = lines(tmp_path, [event(n) for n in range(250)])
    found = told(here, file)
    assert (found["rows"], found["taken"], found["refused"], found["refused_file"]) == (250, 250, 0, None)
    rows = stored(workspace, 250)
    assert Counter(row["data"]["keyword"] for row in rows) == Counter(f"k{n}" for n in range(250))
    assert {(row["status"], row["lane"], row["backfill_id"]) for row in rows} == {
        ("processed", "migration", found["backfill"])
    }
    again = told(here, file)
    assert (again["rows"], again["taken"]) == (250, 250)
    assert "250 of 250 rows taken" in run(here, file).stdout
    Path(found["state"]).unlink()
    (tmp_path / "other.ndjson").write_bytes(file.read_bytes())
    for same in (file, tmp_path / "other.ndjson"):
        assert told(here, same)["taken"] == 250
    time.sleep(1)
    stored(workspace, 250)


def test_csv_with_a_mapping(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "orders.csv.gz"
    rows = "".join(f"{n}@example.com;o{n};{n}.50;1731672000;;x\n" for n in range(120))
    file.write_bytes(gzip.compress(("mail;order;price;at;coupon;left\n" + rows).encode()))
    maps = ("mail=email", "order=eventProperties.orderId", "price=eventProperties.total:number", "at=createdAt:seconds")
    options = [word for each in (*maps, "coupon=eventProperties.coupon") for word in ("--map", each)]
    done = run(here, file, *options, "--set", "eventName=ordered")
    assert "120 of 120 rows taken" in done.stdout and "not imported: left" in done.stderr
    found = {row["data"]["orderId"]: row for row in stored(workspace, 120)}
    assert found["o7"]["data"] == {"orderId": "o7", "total": 7.5}
    assert found["o7"]["occurred_at"] == "2024-11-15T12:00:00.000Z"


def test_parquet_of_the_other_dialect(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    answer = workspace.client.post("/v1/signals", json={"name": "seats", "type": "event", "rate_limit": None})
    assert answer.status_code == 201
    file = tmp_path / "seats.parquet"
    pq.write_table(pa.table({"account": [f"a{n}" for n in range(300)], "seats": list(range(300))}), file)
    options = (
        "--map",
        "account=identity.id",
        "--rest",
        "data",
        "--set",
        "signal=seats",
        "--set",
        "identity.type=account",
    )
    assert told(here, file, *options, dialect="bigmind")["taken"] == 300
    found = {row["identities"][0]["id"]: row["data"] for row in stored(workspace, 300)}
    assert found["a7"] == {"seats": 7}


def test_what_is_refused_is_mended_and_imported(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    events = [event(n) for n in range(150)]
    del events[20]["eventProperties"]["keyword"]
    events[30]["eventName"] = "nope"
    events[140]["isMigrtion"] = True
    file = lines(tmp_path, events)
    file.write_text(file.read_text() + '{"eventName": "ordered"\n')
    done = run(here, file, code=3)
    assert "147 of 151 rows taken" in done.stdout
    refused = refused_of(file, workspace)
    assert str(refused) in done.stdout
    found = [json.loads(line) for line in refused.read_text().splitlines()]
    assert [each["refused"]["line"] for each in found] == [21, 31, 141, 151]
    assert [each["refused"].get("path", "") for each in found] == [
        "eventProperties.keyword", "eventName", "isMigrtion", "",
    ]  # fmt: skip
    assert all(each["refused"]["message"] for each in found) and found[1]["event"] == events[30]
    run(here, refused, code=3)
    found[0]["event"]["eventProperties"]["keyword"] = "k20"
    found[1]["event"]["eventName"] = "keywordSearched"
    del found[2]["event"]["isMigrtion"]
    found[3]["text"] = json.dumps(event(150))
    mended = lines(tmp_path, found, "mended.ndjson")
    assert told(here, mended)["taken"] == 4
    rows = stored(workspace, 151)
    assert Counter(row["data"]["keyword"] for row in rows) == Counter(f"k{n}" for n in range(151))


def test_refused_rows_of_csv_keep_their_columns(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text('mail,word,n\na@b.test,x,1\nnobody,"y ""q""",2\na@b.test,z\na@b.test,w,four\n')
    options = ("--map", "mail=email", "--map", "word=eventProperties.keyword", "--map", "n=eventProperties.n:number")
    options += ("--set", "eventName=keywordSearched")
    run(here, file, *options, code=3)
    refused = refused_of(file, workspace)
    rows = list(csv.DictReader(io.StringIO(refused.read_text(), newline="")))
    assert [(row["refused_line"], row["mail"], row["refused_path"]) for row in rows] == [
        ("3", "nobody", "email"), ("4", "", ""), ("5", "a@b.test", "eventProperties.n"),
    ]  # fmt: skip
    mended = refused.read_text().replace("nobody", "c@d.test").replace('"a@b.test,z"', '"a@b.test,z,3"')
    refused.write_text(mended.replace("four", "4", 1))
    assert told(here, refused, *options)["taken"] == 3
    found = sorted((row["data"]["keyword"], row["data"]["n"]) for row in stored(workspace, 4))
    assert found == [("w", 4), ("x", 1), ('y "q"', 2), ("z", 3)]


def test_a_batch_of_nothing_but_faults(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    """Each row has its own reason, in both dialects, also where no event of a request could be taken."""
    bad = [event(n, eventName=f"nope{n}", email="x") for n in range(120)]
    file = lines(tmp_path, [*bad, event(1)])
    assert told(here, file, code=3)["refused"] == 120
    refused = [json.loads(line) for line in refused_of(file, workspace).read_text().splitlines()]
    assert len(refused) == 120 and all("nope" in str(each["refused"]) or "email" in str(each) for each in refused)
    other = [{"signal": f"no{n}", "identity": {"type": "account", "id": "1"}} for n in range(120)]
    file = lines(tmp_path, other, "other.ndjson")
    assert told(here, file, dialect="bigmind", code=3)["refused"] == 120
    refused = [json.loads(line) for line in refused_of(file, workspace).read_text().splitlines()]
    assert [each["refused"]["message"].count(f"no{n}") for n, each in enumerate(refused)] == [1] * 120


def test_a_hopeless_import_ends_early(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    file = lines(tmp_path, [event(n, eventName="nope") for n in range(20_000)])
    done = run(here, file, code=1)
    assert "none of the first 1,0" in done.stderr and "nope" in done.stderr
    assert refused_of(file, workspace).read_text().count("\n") < 2500


@pytest.mark.torture
@pytest.mark.timeout(200)
def test_a_rate_limit_is_waited_for(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    """Of two signals one has a limit: what it left out is sent again in the next minute, and nothing twice."""
    for name, limit in (("slow", 60), ("fast", None)):
        made = workspace.client.post("/v1/signals", json={"name": name, "type": "event", "rate_limit": limit})
        assert made.status_code == 201
    events = [
        {"signal": ("slow", "fast", "fast")[n % 3], "identity": {"type": "account", "id": "1"}, "data": {"n": n}}
        for n in range(300)
    ]
    began = time.monotonic()
    assert told(here, lines(tmp_path, events), dialect="bigmind")["taken"] == 300
    assert time.monotonic() - began < 125
    rows = stored(workspace, 300)
    assert Counter(row["data"]["n"] for row in rows) == Counter(range(300))


def test_killed_while_it_waits_for_a_limit(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    """The next run asks again for what was answered, and sends only what the limit left out."""
    made = workspace.client.post("/v1/signals", json={"name": "slow", "type": "event", "rate_limit": 60})
    assert made.status_code == 201
    events = [{"signal": "slow", "identity": {"type": "account", "id": "1"}, "data": {"n": n}} for n in range(100)]
    file = lines(tmp_path, events)
    with subprocess.Popen(command(file, dialect="bigmind"), stderr=subprocess.DEVNULL, env=CLEAN | here) as process:
        until(lambda: len(exported(workspace)) >= 60, 60, "what the limit grants")
        process.kill()
    assert workspace.client.patch("/v1/signals/slow", json={"rate_limit": None}).status_code == 200
    assert told(here, file, dialect="bigmind")["taken"] == 100
    assert Counter(row["data"]["n"] for row in stored(workspace, 100)) == Counter(range(100))


def test_a_server_that_knows_less_than_it_took_is_sent_all_again(tmp_path: Path) -> None:
    """It was restored from a backup that is older than the import."""
    file = lines(tmp_path, [event(n) for n in range(250)])
    file.write_text(file.read_text() + "broken\n")
    with serving(tmp_path / "data") as server:
        here = {"HEADWATER_URL": server.url, "HEADWATER_KEY": server.key}
        with server.client() as client:
            assert client.post("/v1/backfills", json={"name": "history"}).status_code == 201
        taken = taken_of(server.data_dir, tmp_path / "backups")
        assert told(here, file, code=3)["taken"] == 250
        assert "fewer events" not in run(here, file, code=3).stderr
    with serving(restored(taken, tmp_path / "back")) as server:
        here = {"HEADWATER_URL": server.url, "HEADWATER_KEY": server.key}
        for said in (True, False):
            done = run(here, file, code=3)
            assert "250 of 251 rows taken" in done.stdout and ("fewer events" in done.stderr) is said
        server.wait_drained()
        assert Counter(each["data"]["keyword"] for each in export(server)) == Counter(f"k{n}" for n in range(250))


def test_two_backfills_of_one_file_at_once(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    """Each has refused rows of its own."""
    file = lines(tmp_path, [event(n, **({"eventName": f"nope{n}"} if n % 3 else {})) for n in range(300)])
    names = ("one", "two")
    running = [subprocess.Popen(command(file, backfill=each), env=CLEAN | here) for each in names]
    assert [process.wait(120) for process in running] == [3, 3]
    for name in names:
        refused = [json.loads(line) for line in refused_of(file, workspace, name).read_text().splitlines()]
        assert [each["refused"]["line"] for each in refused] == [n + 1 for n in range(300) if n % 3]


def test_nothing_is_sent_by_a_dry_run(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("email,word,n\na@b.test,x,1\nnobody,y,2\nc@d.test,z,three\n")
    options = ("--map", "email=email", "--map", "n=eventProperties.n:number", "--set", "eventName=keywordSearched")
    done = run({"HEADWATER_URL": "http://127.0.0.1:9"}, file, *options, "--dry-run", "2", code=3)
    assert [json.loads(line)["email"] for line in done.stdout.splitlines()] == ["a@b.test", "nobody"]
    assert "line 3: email: must be an e-mail address" in done.stderr and "not imported: word" in done.stderr
    assert run({}, file, *options, "--dry-run", "1").stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == [file]


def test_a_held_backfill_counts_for_nothing_yet(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    file = lines(tmp_path, [event(1)])
    told(here, file, "--hold")
    assert backfill(workspace)["held"] is True
    told(here, lines(tmp_path, [event(2)], "second.ndjson"), "--hold")
    told(here, file, backfill="not held")
    assert "was not made with --hold" in run(here, file, "--hold", backfill="not held", code=1).stderr


def test_a_closed_backfill_takes_nothing(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    file = lines(tmp_path, [event(1)])
    id_ = told(here, file)["backfill"]
    assert workspace.client.post(f"/v1/backfills/{id_}/close").status_code == 200
    assert "closed" in run(here, lines(tmp_path, [event(2)], "b.ndjson"), code=1).stderr
    stored(workspace, 1)


def test_an_import_that_was_changed_is_not_gone_on_with(
    workspace: Workspace, here: dict[str, str], tmp_path: Path
) -> None:
    file = lines(tmp_path, [event(n, eventName="nope" if n == 5 else "keywordSearched") for n in range(10)])
    told(here, file, code=3)
    before = file.read_text()
    file.write_text(before + json.dumps(event(11)) + "\n")
    assert "was changed since its import began (10 rows are done)" in run(here, file, code=1).stderr
    file.write_text(before)
    assert "another dialect" in run(here, file, dialect="bigmind", code=1).stderr
    assert "--refused" in run(here, file, "--refused", str(tmp_path / "other"), code=1).stderr
    there = ("--refused", str(refused_of(file, workspace)))
    assert "move it away" in run(here, file, *there, backfill="other", code=1).stderr
    assert told(here, file, "--refused", str(tmp_path / "other"), backfill="other", code=3)["refused"] == 1
    assert told(here, file, code=3)["taken"] == 9


def test_the_help_names_it() -> None:
    done = subprocess.run([sys.executable, "-m", "headwater", "--help"], capture_output=True, text=True, check=True)
    assert "import" in done.stdout


def test_mistakes_are_one_line(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    file = lines(tmp_path, [event(1)])
    assert "nothing to map" in run(here, file, "--map", "a=email", code=1).stderr
    odd = lines(tmp_path, [event(1)], "events.xlsx")
    assert "--format" in run(here, odd, code=1).stderr
    assert told(here, odd, "--format", "ndjson")["taken"] == 1
    assert "401" in run(here | {"HEADWATER_KEY": "sk_wrong"}, file, code=1).stderr
    assert "nothing answers" in run(here | {"HEADWATER_URL": "http://127.0.0.1:9"}, file, code=1).stderr
    assert "'x'" in run(here, file, "--format", "csv", "--map", "x=email", code=1).stderr
    assert not list(tmp_path.glob("*.refused*"))
    wrong = lines(tmp_path, [event(1), event(2, eventName="nope")], "wrong.ndjson")
    full = ("--refused", "/dev/full")
    assert "cannot write /dev/full: No space left" in run(here, wrong, *full, code=1).stderr
    assert "/dev/full" in run(here, wrong, *full, code=1).stderr
    stored(workspace, 2)


def test_an_interrupted_import_goes_on(workspace: Workspace, here: dict[str, str], tmp_path: Path) -> None:
    file = lines(tmp_path, [event(n) for n in range(100_000)])
    state = ("--state", str(tmp_path / "state"))
    with subprocess.Popen(command(file, *state), stderr=subprocess.PIPE, text=True, env=CLEAN | here) as process:
        until(lambda: (tmp_path / "state").exists() and (tmp_path / "state").stat().st_size, 30, "it has begun")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "to go on" in said and "Traceback" not in said
    assert 0 < told(here, file, *state)["taken"] == 100_000
    rows = stored(workspace, 100_000)
    assert len({row["data"]["keyword"] for row in rows}) == 100_000


def test_a_server_that_is_away_is_waited_for(fresh_server: Server, tmp_path: Path) -> None:
    here = {"HEADWATER_URL": fresh_server.url, "HEADWATER_KEY": fresh_server.key}
    file = lines(tmp_path, [event(n) for n in range(20_000)])
    state = tmp_path / "state"
    with subprocess.Popen(
        command(file, "--state", str(state), "--json"), stdout=subprocess.PIPE, env=CLEAN | here
    ) as process:
        until(lambda: state.exists() and state.stat().st_size, 30, "it has begun")
        fresh_server.kill_group()
        time.sleep(1)
        fresh_server.start()
        out, _ = process.communicate(timeout=120)
    assert process.returncode == 0 and json.loads(out)["taken"] == 20_000
    fresh_server.wait_drained()
    with fresh_server.client() as client:
        rows = [json.loads(line) for line in client.get("/v1/events/export").text.splitlines()]
    assert Counter(row["data"]["keyword"] for row in rows) == Counter(f"k{n}" for n in range(20_000))
