"""The commands' way to a running headwater: HTTP, with the key of credentials.json unless another one is given."""

import functools
import inspect
import ipaddress
import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

Url = Annotated[
    str | None, typer.Option(envvar="HEADWATER_URL", help="Where headwater serves; from credentials.json when absent.")
]
ApiKey = Annotated[
    str | None, typer.Option(envvar="HEADWATER_KEY", help="An API key; from credentials.json when absent.")
]
DataDir = Annotated[Path, typer.Option(envvar="HEADWATER_DATA_DIR", help="Where credentials.json lies.")]
Ca = Annotated[
    Path | None,
    typer.Option(envvar="HEADWATER_CA", help="PEM file of a certificate to trust, as of a self-signed server."),
]
DATA_DIR = Path("data")
DEFAULT_URL = "http://127.0.0.1:8080"


class ApiError(Exception):
    """The call failed; the text says why, for people. `status` is 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class Api:
    """One headwater as one key sees it."""

    def __init__(self, url: str, key: str, ca: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(60, connect=5),
            trust_env=not _is_local(url),
            verify=_trust(ca),
        )

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """The answer's JSON, None when it has none. ApiError for every other status than 2xx."""
        with self._told():
            response = self._client.request(method, path, json=body, params=_given(params))
            _check(response)
            return response.json() if response.content else None

    def post(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """The answer to these bytes, whatever its status. ApiError when there is none."""
        with self._told():
            return self._client.post(path, content=content, headers=headers)

    def items(self, path: str, most: int, **params: Any) -> Iterator[dict[str, Any]]:
        """A list's items, up to `most`, over as many pages as it takes."""
        cursor = None
        while most > 0:
            page = self.call("GET", path, limit=min(most, 1000), cursor=cursor, **params)
            yield from page["data"]
            most -= len(page["data"])
            cursor = page["next"]
            if cursor is None:
                return

    def stream(self, path: str, **params: Any) -> Iterator[bytes]:
        """The answer's body in pieces, while it comes in."""
        with self._told(), self._client.stream("GET", path, params=_given(params)) as response:
            if response.is_error:
                response.read()
            _check(response)
            yield from response.iter_bytes()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise ApiError(f"{self.url} has a certificate that is not trusted: {error} ({_CA_HELP})") from None
            raise ApiError(f"nothing answers at {self.url}; is headwater serving? (headwater serve)") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ApiError(f"no answer from {self.url}: {error}") from None


_CA_HELP = "--ca FILE trusts a certificate, --url https://NAME asks by the name that is in it"


def connect(url: Url = None, key: ApiKey = None, ca: Ca = None, data_dir: DataDir = DATA_DIR) -> Api:
    """By what is given, and for the rest by credentials.json."""
    kept = credentials(data_dir)
    key = key or kept.get("api_key")
    if not key:
        raise ApiError(
            f"there is no {data_dir / 'credentials.json'}: give --data-dir, or --url and --key "
            f"(a lost key is replaced by: headwater keys create --data-dir {data_dir})"
        )
    return Api(url or kept.get("url") or DEFAULT_URL, key, ca)


def credentials(data_dir: Path) -> dict[str, str]:
    """What credentials.json says; empty when there is none."""
    path = data_dir / "credentials.json"
    try:
        kept = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ApiError(f"cannot read {path}: {error}") from None
    return kept if isinstance(kept, dict) else {}


def connected(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, whose first parameter is the Api, the options that say where it is."""
    own = list(inspect.signature(command).parameters.values())[1:]
    where = inspect.signature(connect).parameters

    @functools.wraps(command)
    def with_api(**values: Any) -> None:
        with told():
            command(connect(**{name: values.pop(name) for name in where}), **values)

    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *where.values())]
    with_api.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_api.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_api


@contextmanager
def told() -> Iterator[None]:
    """A failed call ends the command with one line for people and exit code 1."""
    try:
        yield
    except ApiError as error:
        typer.echo(f"headwater: {error}", err=True)
        raise typer.Exit(1) from None


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    wait = response.headers.get("retry-after", "")
    raise ApiError(_why(response), response.status_code, float(wait) if wait.isdecimal() else None)


def _why(response: httpx.Response) -> str:
    """What an error says, in whichever shape it comes: problem details, or one of the dialects'."""
    try:
        said = response.json()
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return f"{response.status_code} {response.reason_phrase}"
    if isinstance(errors := said.get("errors"), list):
        text = "; ".join(
            f"event {each['index']}: {each['message']}" if "index" in each else each["message"] for each in errors
        )
    else:
        text = said.get("detail") or said.get("error") or said.get("message") or said.get("title") or ""
        if (path := said.get("path")) and path not in text:
            text = f"{text} (at {path})"
    return f"{response.status_code}: {text}"


def _given(params: dict[str, Any]) -> dict[str, Any]:
    return {name.rstrip("_"): value for name, value in params.items() if value is not None}


def _trust(ca: Path | None) -> ssl.SSLContext:
    """What this machine trusts, and the certificates of that file, be they a root's or the server's own."""
    context = httpx.create_ssl_context()
    if ca is not None:
        try:
            context.load_verify_locations(ca)
        except OSError as error:  # ssl.SSLError is one
            raise ApiError(f"cannot read certificates from {ca}: {error.strerror or error}") from None
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _is_local(url: str) -> bool:
    """A proxy of the environment is for other machines."""
    host = httpx.URL(url).host
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
