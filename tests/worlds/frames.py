"""Whole fixed payloads, as tests write and read them: all fields but reserved ones, in the order of the layout."""

from __future__ import annotations

from onetape.tape.payloads import fields

REQUEST, NEWS, FILL = fields("order_request"), fields("order_event"), fields("fill")
INPUT, QUOTE, HISTORY = fields("input"), fields("quote"), fields("history")
