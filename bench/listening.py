"""A listening socket on a free port of loopback, told on standard output: how every small server here begins."""

import socket


def listener() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(sock.getsockname()[1], flush=True)
    return sock
