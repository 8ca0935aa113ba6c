"""Text that harms who takes it for more than text, and a workspace that has it wherever the API lets it in."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

from harness import keyed, until

FIRE = "window.headwaterFired=1;alert(1)"
MARK = "data-hostile"
"""An attribute that every element would have that came from these texts."""

TEXTS = {
    "script": f"<script {MARK}>{FIRE}</script>",
    "image": f'<img {MARK} src=x onerror="{FIRE}">',
    "svg": f'<svg {MARK} onload="{FIRE}"><script {MARK}>{FIRE}</script></svg>',
    "frame": f'<iframe {MARK} srcdoc="<script>{FIRE}</script>"></iframe>',
    "element": f"<hostile-element {MARK}></hostile-element>",
    "breakout": f"\"'></title></style></textarea></script><img {MARK} src=x onerror={FIRE}>",
    "url": f"javascript:{FIRE}//",
    "data url": f"data:text/html,<script {MARK}>{FIRE}</script>",
    "elsewhere": "//hostile.invalid/x?<link rel=stylesheet href=https://hostile.invalid/x.css>",
    "template": "{{constructor.constructor('alert(1)')()}} ${alert(1)} #{alert(1)} <%= alert(1) %> {%raw%} {x}",
    "style": "</style><style data-hostile>*{display:none!important}</style>;}*{display:none!important}/*",
    "style value": "red;background:url(https://hostile.invalid/x);position:fixed;inset:0;z-index:9999",
    "prototype": "__proto__",
    "constructor": "constructor",
    "method": "toString",
    "entities": "&lt;b&gt; &amp;amp; &#60;script&#62; &nbsp;&copy &NotEqualTilde;",
    "backwards": "\u202egnp.exe \u202d\u2066\u2069\u200f\u200e end",
    "tower": "Z" + "\u0335\u0321\u0327\u0328\u0301\u0302\u0303\u0304\u0305\u0306\u0307\u0308" * 14,
    "family": "👩‍👩‍👧‍👦" * 20 + "🏳️‍🌈 \u200d\u200d\ufe0f",
    "invisible": "\u200b\u2060\ufeff\u00ad",
    "newlines": "line\u2028separator\u2029paragraph next",
    "arabic": "مرحبا <b data-hostile>بالعالم</b> 123 (abc) مرحبا",
    "path": "../../../etc/passwd?#%2e%2e%2f%00;a=b&c=d",
    "number": "9" * 190,
    "null": "null",
    "sheet": '=HYPERLINK("https://hostile.invalid","x")',
}
"""For names: up to 200 characters, none of control."""
LONG = {
    "control": "a\x00b\x07c\x1b[31md\x7fe\r\nf\tg\x08h",
    "word": "W" * 10_000,
    "lines": "long\n" * 1_000,
    "wide": "\ufdfd" * 500,
    "json": json.dumps({f"key{number}": ["<b data-hostile>", {"x": "y" * 50}] for number in range(200)}),
}
"""Where any text goes: values, keys, references."""
ANY = TEXTS | LONG


@dataclass
class Attacked:
    """What a workspace holds now."""

    signals: list[str] = field(default_factory=list)
    cohorts: list[str] = field(default_factory=list)
    backfills: list[str] = field(default_factory=list)
    profiles: list[str] = field(default_factory=list)
    """As `type:id`."""
    events: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """What the API did not let in, and why."""

    def paths(self, kind: str) -> list[str]:
        """The pages of some of them: each text is on a page of one kind or another."""
        if kind == "builder":
            return [f"/ui/cohorts/new?from={quote(name, safe='')}" for name in self.cohorts[::5]]
        names = list(dict.fromkeys(getattr(self, kind)))
        few = {"profiles": 4, "events": 8, "cohorts": 3}.get(kind, 1)
        return [f"/ui/{kind}/{quote(name, safe='')}" for name in names[::few]]


class Attack:
    """Sends every text through every door, and keeps who came in."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.done = Attacked()

    def run(self) -> Attacked:
        self._checked()
        self._measured()
        for number, text in enumerate(TEXTS.values()):
            self._define(number, text)
        for number, text in enumerate(ANY.values()):
            self._bigmind(number, text)
            self._bik(number, text)
        self._loads()
        self._settings()
        until(lambda: not any(lane["events"] for lane in self.client.get("/v1/pipelines").json()["data"]), 60)
        return self.done

    def _post(self, path: str, body: Any, **headers: str) -> Any:
        """The answer's JSON; None when this was refused, which is no fault, as long as it is with a 4xx."""
        content = json.dumps(body).encode()
        answer = self.client.post(path, content=content, headers={"content-type": "application/json", **headers})
        assert answer.status_code < 500, answer.text
        if answer.is_error:
            self.done.refused.append(f"{path}: {answer.text[:300]}")
            return None
        return answer.json()

    def _define(self, number: int, text: str) -> None:
        slug = f"hostile-{number}"
        body = {"name": text[:200], "slug": slug, "type": "event", "rate_limit": None}
        if self._post("/v1/signals", body):
            self.done.signals.append(slug)
        filters: list[dict[str, Any]] = [
            {text: {"=": text}},
            {"nested": {"in": [text, text]}},
        ]  # not every text is a property's path
        made = [self._post("/v1/cohorts", _cohort(slug, text, each)) for each in filters]
        self.done.cohorts += [each["id"] for each in made if each]
        if number % 3 == 0 and (made := self._post("/v1/backfills", {"name": text[:200]})):
            self.done.backfills.append(made["id"])
        self._post("/v1/keys", {"name": text[:200], "scopes": ["ingest"]})

    def _checked(self) -> None:
        """A signal whose schema is made of these texts; its events break it, so that the reasons quote them."""
        properties = {
            text: {
                "type": "object",
                "title": text,
                "description": text,
                "$comment": text,
                "const": text,
                "pattern": re.escape(text) if "\x00" not in text else "x",
                "examples": [text],
            }
            for text in TEXTS.values()
        }
        schema = {"title": TEXTS["image"], "description": TEXTS["script"], "properties": properties}
        body = {"name": "checked <b data-hostile>", "slug": "hostile-checked", "type": "event", "rate_limit": None}
        if self._post("/v1/signals", body):
            self.done.signals.append("hostile-checked")
        self._post("/v1/signals/hostile-checked/versions", {"schema": schema})

    def _measured(self) -> None:
        for name, extra in (
            ("hostile-state", {"type": "state", "value": "value"}),
            (
                "hostile-metric",
                {"type": "metric", "aggregation": "sum", "period": "day", "value": "a.b"},
            ),
        ):
            body = {"name": TEXTS["image"], "slug": name, "rate_limit": None, **extra}
            if self._post("/v1/signals", body):
                self.done.signals.append(name)

    def _bigmind(self, number: int, text: str) -> None:
        data = {text: text, "value": text, "nested": {text: [text, {text: None}]}, "list": [text] * 3}
        slugs = [
            "hostile-state",
            "hostile-metric",
            "hostile-checked",
            self.done.signals[number % len(self.done.signals)],
        ]
        for type_, id_ in ((text[:128].replace(":", ";"), text[:1024]), ("account", text[:1024])):
            events = [
                {"signal": slug, "identity": {"type": type_, "id": id_}, "data": data, "reference": text}
                for slug in slugs
            ]
            if taken := self._post("/v1/events/batch", {"events": events}):
                self.done.profiles.append(f"{type_}:{id_}")
                self.done.events += [each["id"] for each in taken["data"]]

    def _bik(self, number: int, text: str) -> None:
        local = re.sub(r"[\s@\x00-\x20\x7f]", "", text)[:60]
        for email in (f"{local}@hostile.example", f"person{number}@hostile.example"):
            event = {
                "name": text,
                "email": email,
                "eventName": "ordered",
                "eventProperties": {"orderId": text, text: text, "items": [{text: text}]},
            }
            if self._post("/integrations/bikPlatformFunctions-events/sendEvents", {"events": [event]}):
                self.done.profiles.append(f"email:{email.lower()}")

    def _loads(self) -> None:
        """Events of every backfill, so that their previews have something to tell."""
        for number, backfill in enumerate(self.done.backfills):
            data = {"orderId": TEXTS["image"]}
            event: dict[str, Any] = {
                "email": f"load{number}@hostile.example",
                "eventName": "ordered",
                "eventProperties": data,
            }
            event |= {"createdAt": "2025-01-02T03:04:05Z", "isMigration": True, "name": TEXTS["script"]}
            path = "/integrations/bikPlatformFunctions-events/sendEvents"
            self._post(path, {"events": [event]}, **{"Headwater-Backfill": backfill})

    def _settings(self) -> None:
        known = [f"{text[:60]}:{text[:200]}" for text in TEXTS.values()]
        for each in known:
            answer = self.client.patch("/v1/workspace", json={"never_connect": [each]})
            assert answer.status_code < 500, answer.text


def _cohort(slug: str, text: str, filter_: dict[str, Any]) -> dict[str, Any]:
    conditions = [
        {"performed": slug, "filter": filter_, "within": "30d"},
        {"performed": slug, "within": "30d"},
        {"attribute": "name", "is": text},
        {"state": "hostile-state", "is": text},
    ]
    name = text if "nested" in filter_ else f"{text} 2"
    return {"name": name[:200], "definition": {"subject": "person", "where": {"any": conditions}}}


def attacked(url: str, key: str) -> Attacked:
    """Fills this workspace with all of it."""
    with keyed(url, key) as client:
        return Attack(client).run()
