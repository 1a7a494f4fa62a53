"""Buckets on a loopback S3 server, and a proxy before it that loses the answers to commits."""

import asyncio
import re
import threading
import urllib.request

COMMIT = re.compile(rb"^PUT \S*/(_delta_log|_boathouse/catalog)/\d+\.json[ ?]")


def environment(endpoint):
    """What the usual variables of AWS tools say."""
    return {
        "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1", "AWS_ALLOW_HTTP": "true",
    }


def make_bucket(endpoint, name):
    request = urllib.request.Request(f"{endpoint}/{name}", method="PUT")
    with urllib.request.urlopen(request) as response:
        assert response.status == 200


def storage_options(endpoint):
    """The same for PyPI's deltalake."""
    return {**environment(endpoint), "AWS_S3_ALLOW_UNSAFE_RENAME": "true"}


class LossyProxy:
    """Forwards everything; for every n-th commit the request arrives and the answer is lost."""

    def __init__(self, upstream_port, lose_every=2):
        self.upstream_port = upstream_port
        self.lose_every = lose_every
        self.commits = 0
        self.lost = 0
        self.is_lossy = False
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        ready.wait(10)

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        ready.set()
        self.loop.run_forever()

    async def _serve(self, client_reader, client_writer):
        upstream_writer = None
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
            while True:
                head, body = await read_message(client_reader)
                if head is None or not self._forwards(head):
                    break
                upstream_writer.write(head + body)
                await upstream_writer.drain()
                method = head.split(b" ", 1)[0]
                answer_head, answer_body = await read_message(upstream_reader, answer_to=method)
                if answer_head is None or self._loses(head):
                    break
                client_writer.write(answer_head + answer_body)
                await client_writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            client_writer.close()
            if upstream_writer is not None:
                upstream_writer.close()

    def _forwards(self, head):
        return True

    def _loses(self, head):
        if not self.is_lossy or not COMMIT.match(head):
            return False
        self.commits += 1
        loses = self.commits % self.lose_every == 0
        self.lost += loses
        return loses

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


class DeadlyProxy(LossyProxy):
    """Calls `kill` at the n-th commit from now, before it arrives or before its answer does."""

    def __init__(self, upstream_port):
        super().__init__(upstream_port)
        self.deadly_commit = None
        self.deadly_request = None
        self.arrives = False
        self.kill = None

    def aim(self, commit, arrives, kill):
        self.commits, self.deadly_commit, self.arrives, self.kill = 0, commit, arrives, kill

    def _forwards(self, head):
        if COMMIT.match(head):
            self.commits += 1
            if self.commits == self.deadly_commit:
                self.deadly_request = head
        if head is self.deadly_request and not self.arrives:
            self.kill()
            return False
        return True

    def _loses(self, head):
        if head is not self.deadly_request:
            return False
        self.kill()
        return True


async def read_message(reader, answer_to=b""):
    """One HTTP/1.1 request or answer: (head, body as it came); (None, b'') at the end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None, b""
    lowered = head.lower()
    status = head.split(b" ", 2)[1] if answer_to else b""
    if answer_to == b"HEAD" or status in (b"204", b"304"):
        return head, b""
    length = re.search(rb"\r\ncontent-length: *(\d+)", lowered)
    if length:
        return head, await reader.readexactly(int(length.group(1)))
    if b"\r\ntransfer-encoding: chunked" in lowered:
        body = b""
        while True:
            line = await reader.readline()
            size = int(line.split(b";")[0], 16)
            body += line + await reader.readexactly(size + 2)
            if size == 0:
                return head, body
    if answer_to:
        return head, await reader.read()
    return head, b""
