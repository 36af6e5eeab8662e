"""A supervisor of very many processes holds more descriptors than `select` takes."""

from __future__ import annotations

import os
import resource
from contextlib import ExitStack

from onetape.supervisor.fork_server import is_readable

BEYOND = 1100  # descriptors; FD_SETSIZE is 1024


def test_a_descriptor_of_any_number_can_be_waited_for():
    with ExitStack() as held:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 2 * BEYOND), hard), hard))
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        inward, outward = os.pipe()
        held.callback(os.close, outward)
        held.callback(os.close, inward)
        number = os.dup2(inward, BEYOND)
        held.callback(os.close, number)
        assert not is_readable(number, 0)
        os.write(outward, b".")
        assert is_readable(number, 10)
