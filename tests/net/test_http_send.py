"""What a server may answer to what is sent to it, over real sockets."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from onetape.model.errors import ProcessDown
from onetape.net.http_send import ANSWER_BYTES_MAX, http_send


@pytest.mark.parametrize(("length", "is_taken"), [(0, True), (ANSWER_BYTES_MAX, True), (ANSWER_BYTES_MAX + 1, False)])
def test_an_answer_has_a_bound_and_one_that_is_longer_is_not_asked_for_twice(length: int, is_taken: bool):
    requests = []

    class Server(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            requests.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()  # the length is not said
            self.wfile.write(b"x" * length)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/a"
        try:
            if is_taken:
                assert len(http_send("PUT", url, b"body", dict, what="a file", location="here")) == length
            else:
                with pytest.raises(ProcessDown, match="more than 1 MiB"):
                    http_send("PUT", url, b"body", dict, what="a file", location="here")
        finally:
            server.shutdown()
    assert requests == [b"body"]
