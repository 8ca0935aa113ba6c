"""What mkdocs is told beyond mkdocs.yml: the pages that are made from the code, and links that lead out of docs/.

The reference is never written by hand: the API from the OpenAPI document, the command line and the settings from the
commands themselves, the errors from the pages that `headwater explain` prints.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from headwater.cli import explain
from headwater.cli.main import app
from headwater.web.completion import examples_in
from headwater.wiring import described

ERRORS = "reference/errors"
_SETTINGS = "serve"
"""The command whose options are all settings."""
_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)#]+)\)")
_INSIDE = re.compile(r"^ {2,3}(?=- |\d+\. )")
_ITEM = re.compile(r"(- |\d+\. )")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """One page of the navigation for each error, and each decision."""
    decisions = sorted(path.name for path in Path(config.docs_dir, "decisions").glob("*.md"))
    groups: dict[str, list[Any]] = {
        f"{ERRORS}/": [f"{ERRORS}/index.md", *({code: f"{ERRORS}/{code}.md"} for code in explain.codes())],
        "decisions/": [f"decisions/{name}" for name in decisions],
    }
    config.nav = _filled(config.nav, groups)
    return config


def _filled(nav: Any, groups: dict[str, list[Any]]) -> Any:
    if isinstance(nav, list):
        return [_filled(each, groups) for each in nav]
    if isinstance(nav, dict):
        return {name: _filled(each, groups) for name, each in nav.items()}
    return groups.get(nav, nav)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    for path, text in _pages():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """What lies beside docs/ is not in the site: its name is told instead of a link."""
    here = page.file.src_uri.count("/")

    def told(match: re.Match[str]) -> str:
        ups = match[0].count("../")
        if ups <= here:
            return match[0]
        text, path = match[1], match[2]
        return text if path in text else f"{text} (`{path}`)"

    return _OUTSIDE.sub(told, _with_lists(markdown))


def _with_lists(markdown: str) -> str:
    """An empty line before a list that begins below a paragraph, and four spaces before one inside another: code hosts
    need less than mkdocs does."""
    lines: list[str] = []
    fenced = False
    for line in markdown.split("\n"):
        fenced ^= line.lstrip().startswith("```")
        line = line if fenced else _INSIDE.sub("    ", line)
        before = lines[-1] if lines else ""
        below_text = before.strip() and not before.startswith((" ", "```")) and not _ITEM.match(before)
        if not fenced and below_text and _ITEM.match(line):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def on_post_build(config: MkDocsConfig) -> None:
    """The theme's script would load two others from a public host, for what this site has not."""
    for script in Path(config.site_dir, "assets/javascripts").glob("bundle.*.js"):
        script.write_text(script.read_text("utf-8").replace("https://unpkg.com/", "not-here/"), "utf-8")


def _pages() -> Iterator[tuple[str, str]]:
    yield "reference/api.md", "".join(_api(described.document()))
    command = typer.main.get_command(app)
    yield "reference/cli.md", "# The command line\n\n" + "".join(_command("headwater", command, 2))
    yield "reference/settings.md", "".join(_settings(command))
    yield f"{ERRORS}/index.md", explain.index()
    for code in explain.codes():
        yield f"{ERRORS}/{code}.md", explain.page_of(code)


# --- the API -------------------------------------------------------------------------------------------------------


def _api(api: dict[str, Any]) -> Iterator[str]:
    yield f"# HTTP API\n\n{api['info']['summary']} Version {api['info']['version']}. The same as a document: "
    yield "`/openapi.json` of a running headwater, or `headwater openapi`; as a page of its own: `/docs`.\n\n"
    yield f"{api['info']['description']}\n\n"
    for name, scheme in api["components"]["securitySchemes"].items():
        yield f"- `{name}`: {scheme['description']}\n"
    groups: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, item in api["paths"].items():
        for method, call in item.items():
            groups.setdefault(call["tags"][0], []).append((method.upper(), path, call))
    for tag, found in groups.items():
        yield f"\n## {tag}\n"
        for method, path, call in found:
            yield from _call(api, method, path, call)


def _call(api: dict[str, Any], method: str, path: str, call: dict[str, Any]) -> Iterator[str]:
    yield f"\n### {call['summary']} {{ #{call['operationId']} }}\n\n`{method} {path}`\n\n{call['description']}\n"
    if parameters := call.get("parameters"):
        yield "\n| parameter | in | example | |\n|---|---|---|---|\n"
        for each in parameters:
            text = _cell(each["description"])
            yield f"| `{each['name']}` | {each['in']} | `{_cell(str(each.get('example', '')))}` | {text} |\n"
    body = call.get("requestBody", {})
    yield from _fields(api, body)
    yield from _examples("Body", body)
    yield "\n| answer | |\n|---|---|\n"
    for status, answer in sorted(call["responses"].items()):
        code = f"[{status}](errors/{status}.md)" if status in explain.codes() else status
        headers = "".join(f"; header `{name}`" for name in answer.get("headers", {}))
        yield f"| {code} | {_cell(answer['description'])}{headers} |\n"
    for status, answer in call["responses"].items():
        if status.startswith("2"):
            yield from _fields(api, answer)
            yield from _examples(status, answer)


def _fields(api: dict[str, Any], holder: dict[str, Any]) -> Iterator[str]:
    """What the fields of a body or answer mean, those that say it."""
    for content in holder.get("content", {}).values():
        schema = content.get("schema", {})
        if "$ref" in schema:
            schema = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        required = schema.get("required", [])
        told = {
            name: field["description"] for name, field in schema.get("properties", {}).items() if "description" in field
        }
        if told:
            yield "\n| field | | |\n|---|---|---|\n"
        for name, text in told.items():
            yield f"| `{name}` | {'required' if name in required else ''} | {_cell(text)} |\n"


def _examples(name: str, holder: dict[str, Any]) -> Iterator[str]:
    for content in holder.get("content", {}).values():
        for example in examples_in(content):
            text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
            yield f"\n{name}:\n\n```json\n{text}\n```\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# --- the command line ----------------------------------------------------------------------------------------------


def _command(name: str, command: Any, depth: int) -> Iterator[str]:
    if command.hidden:
        return
    context = click.Context(command, info_name=name)
    if depth > 2:
        yield f"\n{'#' * min(depth, 4)} `{name}`\n\n"
    yield f"{(command.help or '').strip()}\n"
    rows = [row for each in command.params if (row := _option(each, context))]
    if rows:
        yield "\n| | | |\n|---|---|---|\n" + "".join(rows)
    for below in sorted(getattr(command, "commands", {})):
        yield from _command(f"{name} {below}", command.commands[below], depth + (depth < 4))


def _option(option: Any, context: click.Context) -> str:
    if getattr(option, "hidden", False) or option.name == "help":
        return ""
    names = ", ".join(f"`{each}`" for each in [*option.opts, *option.secondary_opts])
    if not names.startswith("`-"):
        names = f"`{(option.metavar or option.name).upper()}`"
    return f"| {names} | {_default(option)} | {_cell(getattr(option, 'help', '') or '')} |\n"


def _default(option: Any) -> str:
    found = option.default
    if found is None or found is False or found == "" or callable(found):
        return "required" if option.required else ""
    return f"`{getattr(found, 'value', found)}`"


def _settings(command: Any) -> Iterator[str]:
    yield "# Settings\n\nEach is an option of `headwater serve`, `gateway` and `engine`, and a variable of the "
    yield "environment; the option wins. What they are for: [running headwater](../running.md), and "
    yield "[past one machine](../cluster.md).\n\n"
    yield "| option | variable | default | |\n|---|---|---|---|\n"
    for option in command.commands[_SETTINGS].params:
        if getattr(option, "hidden", False) or not option.envvar:
            continue
        names = ", ".join(f"`{each}`" for each in [*option.opts, *option.secondary_opts])
        yield f"| {names} | `{option.envvar}` | {_default(option)} | {_cell(option.help or '')} |\n"
