"""`/docs`: the OpenAPI document as one page of plain HTML. No script, no other host, works printed."""

import re
from html import escape
from typing import Any

import msgspec

from headwater.web.completion import examples_in
from headwater.web.openapi import INGEST_TAGS, OPERATING

_CODE = re.compile("`([^`]*)`")
_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--accent:#0b6bcb}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1.5rem}
h1{margin:.2rem 0}
h2{margin:2.5rem 0 .5rem;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;padding:.5rem .8rem}
summary{cursor:pointer;overflow-wrap:anywhere}
summary b{color:var(--accent);display:inline-block;min-width:4.2rem}
code,pre{font:.88em/1.45 ui-monospace,monospace}
pre{background:var(--soft);padding:.6rem;overflow:auto;border-radius:.4rem}
table{border-collapse:collapse;width:100%;display:block;overflow-x:auto}
td,th{text-align:left;padding:.25rem .6rem .25rem 0;vertical-align:top;border-top:1px solid var(--line)}
nav a{margin-right:1rem}
"""

HEADERS = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"}


def page(api: dict[str, Any]) -> str:
    """HTML for an OpenAPI 3.1 document."""
    groups: dict[str, list[str]] = {}
    for path, item in api["paths"].items():
        for method, call in item.items():
            groups.setdefault((call.get("tags") or ["Other"])[0], []).append(_call(api, path, method, call))
    names = sorted(groups, key=lambda name: (name == OPERATING, name not in INGEST_TAGS))
    links = " ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names)
    body = "".join(f'<h2 id="{escape(name)}">{escape(name)}</h2>{"".join(groups[name])}' for name in names)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>headwater API</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>headwater API</h1>"
        f"<p>{escape(api['info'].get('summary', ''))} Version {escape(api['info']['version'])}. "
        'As a document: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{_paragraphs(api['info'].get('description', ''))}<nav>{links}</nav>{body}</body></html>"
    )


def _paragraphs(words: str) -> str:
    return "".join(f"<p>{_text(each)}</p>" for each in words.split("\n\n") if each)


def _call(api: dict[str, Any], path: str, method: str, call: dict[str, Any]) -> str:
    parts = [f"<p>{_text(call['description'])}</p>" if call.get("description") else ""]
    if call.get("parameters"):
        rows = "".join(_parameter(parameter) for parameter in call["parameters"])
        parts.append(f"<h4>Parameters</h4><table>{rows}</table>")
    if "requestBody" in call:
        parts.append("<h4>Body</h4>" + _content(api, call["requestBody"]))
    for status, response in sorted(call["responses"].items()):
        parts.append(f"<h4>{escape(status)} {_text(response.get('description', ''))}</h4>{_answer(api, response)}")
    title = f"<b>{method.upper()}</b> <code>{escape(path)}</code> {escape(call.get('summary', ''))}"
    return f"<details><summary>{title}</summary>{''.join(parts)}</details>"


def _text(words: str) -> str:
    """Escaped, with what stands between back-ticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(words))


def _parameter(parameter: dict[str, Any]) -> str:
    name, example = f"<code>{escape(parameter['name'])}</code>", parameter.get("example")
    text = parameter.get("description") or parameter.get("schema", {}).get("description", "")
    shown = "" if example is None else f"<code>{escape(str(example))}</code>"
    return f"<tr><td>{name}</td><td>{escape(parameter['in'])}</td><td>{_text(text)}</td><td>{shown}</td></tr>"


def _answer(api: dict[str, Any], response: dict[str, Any]) -> str:
    rows = "".join(
        _parameter({"name": name, "in": "header", **told}) for name, told in response.get("headers", {}).items()
    )
    return (f"<table>{rows}</table>" if rows else "") + _content(api, response)


def _content(api: dict[str, Any], holder: dict[str, Any]) -> str:
    for content in holder.get("content", {}).values():
        shown = "".join(f"<pre>{escape(_shown(example))}</pre>" for example in examples_in(content))
        return _fields(api, content.get("schema", {})) + shown
    return ""


def _shown(example: Any) -> str:
    if isinstance(example, str):
        return example
    return msgspec.json.format(msgspec.json.encode(example), indent=2).decode()


def _fields(api: dict[str, Any], schema: dict[str, Any]) -> str:
    schema = _resolve(api, schema)
    required = schema.get("required", [])
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{'required' if name in required else 'optional'}</td>"
        f"<td>{_text(_resolve(api, field).get('description', ''))}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _resolve(api: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = api["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema
