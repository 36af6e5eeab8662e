"""Commands act once: what is known of them is what their frames on the tape say."""

from __future__ import annotations

import msgspec

from onetape.projections.once import Once, digest_of


def test_a_command_that_was_refused_on_the_tape_has_its_answer():
    once = Once()
    record = {"id": "c-1", "actor": "me", "command": "halt", "fields": {"account": "main"}}
    once.commanded(record, 1)
    found = once.find("c-1")
    assert found is not None and found.answer == b""  # it may have been executed
    refused = {"code": 4001, "message": "no"}
    once.commanded({**record, "id": "c-2", "refused": refused}, 2)
    found = once.find("c-2")
    assert found is not None and found.digest == digest_of("me", "halt", {"account": "main"})
    assert msgspec.json.decode(found.answer) == {"id": "c-2", "status": "refused", "result": None, "error": refused}
