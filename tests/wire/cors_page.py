"""A page of another origin in a real, headless Chromium: it calls with fetch() and writes down what it could read."""

import http.server
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

from tools import need

_PAGE = """<!doctype html><title>sends events</title><pre id="out"></pre><script>
const call = async (name, path, options) => {
  let line;
  try {
    const answer = await fetch("%(url)s" + path, options);
    const text = await answer.text();
    line = [name, answer.status, answer.headers.get("headwater-batch") ? "batch" : "none", text.length > 0].join(" ");
  } catch (error) {
    line = name + " blocked";
  }
  document.getElementById("out").textContent += line + "\\n";
};
const headers = {"Authorization": "Bearer %(key)s", "Content-Type": "application/json"};
const body = JSON.stringify({events: [{email: "a@b.example", eventName: "pageViewed", eventProperties: {}}]});
const path = "/integrations/bikPlatformFunctions-events/sendEvents";
(async () => {
  await call("sent", path, {method: "POST", headers, body});
  await call("lenient", path, {method: "POST", headers: {...headers, "Prefer": "handling=lenient"}, body});
  await call("refused", path, {method: "POST", headers, body: "{"});
  await call("nokey", path, {method: "POST", headers: {"Authorization": "Bearer x"}, body});
  await call("toolarge", path, {method: "POST", headers, body: "x".repeat(200000)});
  await call("read", "/v1/signals", {headers});
  await call("odd", path, {method: "POST", headers: {...headers, "X-Odd": "1"}, body});
  document.title = "done";
})();
</script>"""


class _Pages(http.server.BaseHTTPRequestHandler):
    page = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_: Any) -> None:
        pass


class Pages:
    """Serves the page on an origin of its own; `url` and `key`: the headwater it calls."""

    def __init__(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def visit(self, url: str, key: str, profile: Path) -> list[str]:
        """What the page wrote, a line a call."""
        _Pages.page = (_PAGE % {"url": url, "key": key}).encode()
        browser = need("chromium", "chromium-browser")
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        command += ["--no-first-run", "--disable-background-networking", "--virtual-time-budget=20000", "--dump-dom"]
        seen = subprocess.run([*command, self.origin], capture_output=True, text=True, timeout=120, check=False)
        found = re.search(r'<pre id="out">(.*?)</pre>', seen.stdout, re.S)
        assert found, seen.stdout[-2000:] + seen.stderr[-2000:]
        return found[1].split("\n")[:-1]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
