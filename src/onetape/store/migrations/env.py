"""Alembic's entry: the caller supplies the connection and the transaction.

MariaDB commits each change of a table by itself. A migration that was killed begins anew there: changes already made
are skipped.
"""

from __future__ import annotations

import re

import sqlalchemy as sa
from alembic import context

from onetape.store.records import metadata

_STATEMENT = re.compile(r"\A\s*(CREATE|DROP) (TABLE|INDEX) (?!IF )")


def _passed_over(_conn: object, _cursor: object, statement: str, values: object, *_: object) -> tuple[str, object]:
    words = {"CREATE": "IF NOT EXISTS", "DROP": "IF EXISTS"}
    return _STATEMENT.sub(lambda found: f"{found[1]} {found[2]} {words[found[1]]} ", statement, count=1), values


connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, version_table="record_version")
if getattr(connection.dialect, "is_mariadb", False):
    sa.event.listen(connection, "before_cursor_execute", _passed_over, retval=True)
context.run_migrations()
