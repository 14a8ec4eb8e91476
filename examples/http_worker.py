#!/usr/bin/env python3
"""A worker to copy: an HTTP/1.1 server (GET only) that starts and leaves without losing a request.

    start_server --port=127.0.0.1:8080 -- python3 examples/http_worker.py
"""
import asyncio, os, signal, socket, sys

IDLE_LIMIT = 5.0  # seconds an idle keep-alive connection is kept after TERM
BODY = f"generation {os.environ.get('SERVER_STARTER_GENERATION', '-')} pid {os.getpid()}\n"
ANSWER = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: %s\r\n\r\n%s"
idle, tasks, stop = set(), set(), asyncio.Event()

def listener():
    """The socket that the manager bound: start_server's `name=fd;name=fd`, or systemd's from 3 on."""
    env = os.environ
    if ports := env.get("SERVER_STARTER_PORT"):
        return socket.socket(fileno=int(ports.split(";")[0].rpartition("=")[2]))
    if env.get("LISTEN_FDS", "0") != "0" and env.get("LISTEN_PID", str(os.getpid())) == str(os.getpid()):
        return socket.socket(fileno=3)
    sys.exit("http_worker.py: no listening socket was passed: run it under start_server --port=...")

def ready():
    """Tell the manager that requests are served from now on, so that it need not guess by time."""
    if path := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"READY=1", "\0" + path[1:] if path.startswith("@") else path)

async def serve(reader, writer):
    tasks.add(asyncio.current_task())
    try:
        close = False
        while not close:
            idle.add(reader)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            idle.discard(reader)
            close = stop.is_set() or b"\r\nconnection: close" in head or b" http/1.1\r\n" not in head
            writer.write((ANSWER % (len(BODY), "close" if close else "keep-alive", BODY)).encode())
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
        pass
    finally:
        idle.discard(reader)
        tasks.discard(asyncio.current_task())
        writer.close()

async def main():
    loop, sock = asyncio.get_running_loop(), listener()
    for number in (signal.SIGTERM, signal.SIGINT):  # before READY: from then on no signal may cut a request
        loop.add_signal_handler(number, stop.set)
    await asyncio.start_server(serve, sock=sock, backlog=4096)  # given, since it calls listen() again
    ready()
    await stop.wait()  # once set, every connection gets its next answer with `Connection: close`
    loop.remove_reader(sock)  # Server.close() would drop what has just been accepted (Python 3.11)
    await asyncio.sleep(0.05)  # which becomes tasks meanwhile; the manager holds the socket, so nobody is refused
    await asyncio.wait({*tasks, asyncio.create_task(asyncio.sleep(0))}, timeout=IDLE_LIMIT)
    for reader in list(idle):  # not cancel(): a request that has arrived by now is still answered
        reader.feed_eof()
    await asyncio.wait({*tasks, asyncio.create_task(asyncio.sleep(0))}, timeout=IDLE_LIMIT)

asyncio.run(main())
