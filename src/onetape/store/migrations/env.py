"""Alembic's entry: the connection is its caller's, and so is the transaction."""

from __future__ import annotations

from alembic import context

from onetape.store.records import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table="record_version"
)
context.run_migrations()
