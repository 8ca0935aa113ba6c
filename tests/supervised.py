"""Runs the real supervisor over stand-in roles: `python supervised.py PORT '{"gateway": CODE, "engine": CODE}'`.

Each CODE is Python source; the gateway's finds the listening socket as `sock`. Prints `ready` when `/readyz` answers.
"""

import asyncio
import json
import os
import sys

from headwater import logs
from headwater.supervisor import Role, Supervisor, listen

BEGIN = """
import http.server, os, signal, socket, sys, time
from headwater.supervisor import die_with
die_with(int(sys.argv[1]))
sock = socket.socket(fileno=int(sys.argv[2])) if len(sys.argv) > 2 else None
"""


def main() -> int:
    logs.configure("info")
    listener = listen("127.0.0.1", int(sys.argv[1]), wait_seconds=1)
    print(listener.getsockname()[1], flush=True)
    roles = [role(name, code, listener.fileno()) for name, code in json.loads(sys.argv[2]).items()]
    supervisor = Supervisor(roles, listener, os.environ)
    return asyncio.run(supervisor.run(lambda: print("ready", flush=True)))


def role(name: str, code: str, fd: int) -> Role:
    command = [sys.executable, "-c", BEGIN + code, str(os.getpid())]
    if name == "gateway":
        return Role(name, [*command, str(fd)], fds=[fd], vital=True)
    return Role(name, command)


if __name__ == "__main__":
    sys.exit(main())
