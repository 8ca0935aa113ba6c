"""`headwater demo`: fills a workspace with a believable shop and the CRM beside it, and shows what became of them."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import MofNCompleteColumn, ProgressColumn, Task
from rich.text import Text

from headwater.cli.api import DATA_DIR, Api, ApiError, ApiKey, Ca, DataDir, Url, connect, credentials, told
from headwater.cli.events import send_batch
from headwater.cli.output import Json, print_json, print_rows, progress_bar
from headwater.clock import now_ms
from headwater.demo.base import Sent
from headwater.demo.definitions import SCHEMAS, SIGNALS, cohorts
from headwater.demo.story import SEED, batches, story

_SENDERS = 4
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0
_PAUSE = 0.1
_COLUMNS = ("cohort", "subject", "size", "id")

Events = Annotated[int, typer.Option(min=1, max=10_000_000, help="How many.")]
Seed = Annotated[str, typer.Option(help="Another one tells of other people.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Where a server that has to be started serves.")]
Again = Annotated[bool, typer.Option("--again", help="Also where the demo was sent before; its events come twice.")]
Leave = Annotated[bool, typer.Option("--exit", help="End with it, if a server had to be started.")]


def register(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command()(demo)


def demo(
    events: Events = 100_000,
    seed: Seed = SEED,
    again: Again = False,
    port: Port = 8080,
    leave: Leave = False,
    url: Url = None,
    key: ApiKey = None,
    ca: Ca = None,
    data_dir: DataDir = DATA_DIR,
    as_json: Json = False,
) -> None:
    """Fill a workspace with ninety days of a shop and a CRM, some of it wrong, and with cohorts.

    Sends to the server that runs, or starts one and lets it serve on until Ctrl+C.
    """
    with told(), _serving(url, key, ca, data_dir, port) as (api, started):
        filled = fill(api, events, seed, again)
        _print(filled, api.url, as_json)
        if started and not leave:
            _serve_on(started, api.url)


def fill(api: Api, count: int, seed: str = SEED, again: bool = False) -> dict[str, Any]:
    """Signals, events, cohorts. Returns what was done: `events`, `seconds` of sending, `per_second`, `outcomes` by
    status or reason, `cohorts`."""
    end_ms = now_ms()
    with progress_bar(MofNCompleteColumn(), _Rate()) as progress:
        task = progress.add_task("writing the story", total=count)
        told_of = story(count, end_ms, seed)
        _define(api, again)
        progress.update(task, description="sending")
        began = time.monotonic()
        for sent in _send_all(api, told_of):
            progress.advance(task, sent)
        seconds = time.monotonic() - began
        progress.update(task, description="processing")
        _drain(api)
        progress.update(task, description="cohorts")
        made = [_cohort(api, name, definition) for name, definition in cohorts(end_ms).items()]
    outcomes = Counter(sent.wrong or "processed" for sent in told_of)
    rate = round(count / seconds)
    return {"events": count, "seconds": round(seconds, 2), "per_second": rate, "outcomes": outcomes, "cohorts": made}


def _define(api: Api, again: bool) -> None:
    """Makes the story's signals; those that are there from an earlier time must be the same."""
    there = {signal["slug"]: signal for signal in api.items("/v1/signals", 1_000_000)}
    if "ordered" not in there:
        raise ApiError("this workspace lacks the preset ecommerce (a new one: headwater workspaces create NAME)")
    wanted = {body["name"].lower().replace(" ", "-"): body | {"rate_limit": None} for body in SIGNALS}
    if not again and wanted.keys() <= there.keys():
        raise ApiError("this workspace holds the demo already (--again sends it once more)")
    for slug, body in wanted.items():
        if slug not in there:
            _create(api, slug, body)
        elif any(there[slug][field] != value for field, value in body.items()):
            raise ApiError(f"this workspace has another signal {slug} (a new one: headwater workspaces create NAME)")


def _create(api: Api, slug: str, body: dict[str, Any]) -> None:
    api.call("POST", "/v1/signals", body)
    if slug in SCHEMAS:
        api.call("POST", f"/v1/signals/{slug}/versions", {"schema": SCHEMAS[slug]})


def _send_all(api: Api, told_of: Sequence[Sent]) -> Iterator[int]:
    """Sends the events in batches, several at a time; gives the size of each batch that was acknowledged."""
    with ThreadPoolExecutor(_SENDERS) as pool:
        under_way: set[Future[int]] = set()
        for _, batch in batches(told_of):
            under_way.add(pool.submit(_send, api, batch))
            if len(under_way) >= 2 * _SENDERS:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (each.result() for each in done)
        yield from (each.result() for each in wait(under_way).done)


def _send(api: Api, batch: list[Sent]) -> int:
    answer = send_batch(api, [sent.body for sent in batch])
    if answer.get("rate_limited"):
        raise ApiError("a signal has a rate limit: a history does not fit into it")
    return len(batch)


def _drain(api: Api) -> None:
    """Returns when every event has its outcome."""
    while any(lane["events"] for lane in api.call("GET", "/v1/pipelines")["data"]):
        time.sleep(_PAUSE)


def _cohort(api: Api, name: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Makes a cohort, or finds the one of that name."""
    try:
        made = _made(api, {"name": name, "definition": definition})
    except ApiError as error:
        if error.status != 409:
            raise
        made = next(each for each in api.items("/v1/cohorts", 1_000_000) if each["name"] == name)
    return {"cohort": name, "subject": definition["subject"], "size": made["size"], "id": made["id"]}


def _made(api: Api, body: dict[str, Any]) -> dict[str, Any]:
    """As soon as cohorts can be made: not at once after a start."""
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            made: dict[str, Any] = api.call("POST", "/v1/cohorts", body)
        except ApiError as error:
            if error.retry_after is None or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return made


# --- a server ----------------------------------------------------------------------------------------------------


@contextmanager
def _serving(
    url: str | None, key: str | None, ca: Path | None, data_dir: Path, port: int
) -> Iterator[tuple[Api, subprocess.Popen[bytes] | None]]:
    """The running server, or one that is started for as long as this lasts."""
    known = url or key or credentials(data_dir)
    if known and (_answers(api := connect(url, key, ca, data_dir)) or url):
        yield api, None
        return
    command = [sys.executable, "-m", "headwater", "serve", "--data-dir", str(data_dir), "--port", str(port)]
    with subprocess.Popen([*command, "--log-level", "warning"], stdout=subprocess.DEVNULL) as server:  # noqa: S603  our own
        try:
            yield _started(server, data_dir, ca), server
        finally:
            server.terminate()
            server.wait(_STOP_SECONDS)


def _answers(api: Api) -> bool:
    """Whether somebody does, be it with a refusal."""
    try:
        api.call("GET", "/v1/signals", limit=1)
    except ApiError as error:
        return error.status != 0
    return True


def _started(server: subprocess.Popen[bytes], data_dir: Path, ca: Path | None) -> Api:
    """Waits until the server takes events and answers questions."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise ApiError(f"the server ended with {server.returncode}")
        if _serves(server.pid, data_dir):
            try:
                api = connect(ca=ca, data_dir=data_dir)
                api.call("GET", "/v1/pipelines")
            except ApiError:
                pass
            else:
                return api
        time.sleep(_PAUSE)
    raise ApiError(f"the server did not start within {_START_SECONDS:.0f} s")


def _serves(pid: int, data_dir: Path) -> bool:
    """Whether it is that process that says it serves this directory, and not one before it."""
    try:
        said = json.loads((data_dir / "serve.json").read_bytes())
    except (OSError, ValueError):
        return False
    return bool(said["pid"] == pid)


def _serve_on(server: subprocess.Popen[bytes], url: str) -> None:
    with suppress(KeyboardInterrupt):
        typer.echo(f"\nheadwater serves on {url} until Ctrl+C; the API is shown at {url}/docs")
        while server.poll() is None:  # a Ctrl+C just before a wait without end would be heard after it
            time.sleep(_PAUSE)


# --- what is shown -----------------------------------------------------------------------------------------------


class _Rate(ProgressColumn):
    """Events a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} events/s", style="progress.data.speed")


def _print(filled: dict[str, Any], url: str, as_json: bool) -> None:
    if as_json:
        print_json(filled | {"url": url})
        return
    wrong = {reason: count for reason, count in filled["outcomes"].items() if reason != "processed"}
    typer.echo(f"{filled['events']:,} events in {filled['seconds']} s, {filled['per_second']:,} a second, acknowledged")
    said = ", ".join(f"{count:,} {reason}" for reason, count in sorted(wrong.items()))
    typer.echo(f"{sum(wrong.values()):,} of them wrong on purpose, to be seen among the rejected: {said}\n")
    print_rows(filled["cohorts"], _COLUMNS, as_json=False)
