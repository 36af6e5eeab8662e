"""Journals and state tables as Python sees them."""

from onetape.tape.journal import Frame, JournalReader, JournalWriter, Record, type_id
from onetape.tape.schema import EventSchema, Schemas, built_in

__all__ = [
    "EventSchema",
    "Frame",
    "JournalReader",
    "JournalWriter",
    "Record",
    "Schemas",
    "built_in",
    "type_id",
]
