"""Runs a printed `curl` command as it stands, without curl: a test machine may have none."""

import shlex

import httpx


def run(command: str) -> httpx.Response:
    """Knows `-X`, `--request`, `-H`, `--header`, `-d`, `--data`, `--location` and a URL; refuses any other word."""
    words = iter(shlex.split(command.replace("\\\n", " "), comments=True))
    assert next(words) == "curl"
    method, url, headers, body = None, "", {}, None
    for word in words:
        match word:
            case "-X" | "--request":
                method = next(words)
            case "-H" | "--header":
                name, _, value = next(words).partition(":")
                headers[name] = value.strip()
            case "-d" | "--data" | "--data-raw":
                body = next(words)
            case "--location" | "-s" | "-i":
                pass
            case _:
                assert word.startswith("http://"), word
                url = word
    method = method or ("GET" if body is None else "POST")
    return httpx.request(method, url, headers=headers, content=body, timeout=30, trust_env=False)


def commands(text: str) -> list[str]:
    """The curl commands in a text, each with the lines it goes on in."""
    found: list[str] = []
    open_end = False
    for line in text.splitlines():
        begins = line.find("curl ")
        if open_end:
            found[-1] += "\n" + line
        elif begins >= 0 and not line.lstrip().startswith("#"):
            found.append(line[begins:])
        open_end = bool(found) and _goes_on(found[-1])
    return found


def _goes_on(command: str) -> bool:
    try:
        shlex.split(command)
    except ValueError:  # a quotation is open
        return True
    return command.endswith("\\")
