"""What the README tells a newcomer to type works as it stands."""

import json
from pathlib import Path

import curl
from harness import Workspace

README = Path(__file__).parents[1] / "README.md"


def test_every_curl_of_the_readme_works(workspace: Workspace) -> None:
    text = README.read_text().replace("http://127.0.0.1:8080", workspace.server.url).replace("$KEY", workspace.key)
    answers = [curl.run(command) for command in curl.commands(text)]
    assert [answer.status_code for answer in answers if answer.is_error] == []
    assert len(answers) >= 6


def test_the_readme_shows_what_is_answered(workspace: Workspace) -> None:
    text = README.read_text().replace("http://127.0.0.1:8080", workspace.server.url).replace("$KEY", workspace.key)
    bik, _, bigmind = (curl.run(command) for command in curl.commands(text)[:3])
    shown = [json.loads(line[2:]) for line in text.splitlines() if line.startswith("# {")]
    assert bik.json() == shown[0]
    assert list(bigmind.json()["data"][0]) == list(shown[1]["data"][0])
    assert bigmind.json()["data"][0]["reference"] == shown[1]["data"][0]["reference"]
