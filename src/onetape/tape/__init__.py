"""Access journals and state tables from Python."""

from onetape.tape.journal import Frame, JournalReader, JournalWriter, Record, type_id
from onetape.tape.schema import EventSchema, Schemas, built_in
from onetape.tape.state import Group, GroupSpec, Layout, StateReader, StateWriter

__all__ = [
    "EventSchema",
    "Frame",
    "Group",
    "GroupSpec",
    "JournalReader",
    "JournalWriter",
    "Layout",
    "Record",
    "Schemas",
    "StateReader",
    "StateWriter",
    "built_in",
    "type_id",
]
