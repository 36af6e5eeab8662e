"""Provide `onetape token`: access to the control plane, by scope."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import click

from onetape.cli.frame import Answer, Shell, load, moment, verb
from onetape.cli.listing import listing
from onetape.model.errors import UsageError

COLUMNS = ("name", "scopes", "created", "expires", "state")


@verb(
    "token", example="onetape token create bot --scope read,trade --days 90\nonetape token ls\nonetape token revoke bot"
)
@click.argument("action", type=click.Choice(["create", "ls", "revoke"]), metavar="create|ls|revoke")
@click.argument("name", default="", metavar="[NAME]")
@click.option("--scope", default="", metavar="A,B", help="Rights of the token: read, trade, admin, kill.")
@click.option("--days", type=click.IntRange(min=1), help="Days until it expires [default: never].")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the token to a new file, mode 0600, instead of showing it.",
)
def command(shell: Shell, action: str, name: str, scope: str, days: int | None, out: Path | None) -> Answer:
    """Make, list and revoke tokens of the REST interface.

    A token is shown once; the home stores only its hash. As soon as a first token exists, every call needs one, even
    after all tokens have been revoked.
    """
    if bool(name) != (action != "ls"):
        raise UsageError("create and revoke need a NAME, ls takes none", location="onetape token")
    if action != "create" and (scope or days or out):
        raise UsageError("--scope, --days and --out belong to create", location=f"onetape token {action}")
    store = load("onetape.web.tokens", "TokenStore", what="tokens")(shell.home)
    if action == "ls":
        rows = [_shown(each) for each in store.grants() or ()]
        times = [{**each, **{key: _moment(each[key]) for key in ("created", "expires")}} for each in rows]
        text = [{**each, "scopes": ",".join(each["scopes"])} for each in times]
        return Answer(rows, listing(text, COLUMNS, nothing="no token"))
    if action == "revoke":
        return Answer({**_shown(store.revoke(name)), "state": "revoked"}, f"revoked {name}")
    if not scope:
        raise UsageError(
            "no --scope", location="onetape token create", todo="add --scope read,trade,admin,kill, or some of these"
        )
    scopes = [each.strip() for each in scope.split(",")]
    if out is not None:
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            token, grant = store.create(name, scopes, days or 0)
            file.write(f"{token}\n")
        return Answer({**_shown(grant), "file": str(out)}, f"wrote {out}")
    token, grant = store.create(name, scopes, days or 0)
    words = "shown this once; send it as  Authorization: Bearer TOKEN"
    return Answer({**_shown(grant), "token": token}, f"{token}\n{words}")


def _shown(grant: Any) -> dict[str, Any]:
    """Returns a token's name, scopes and times (ns UTC), without its secret."""
    return {
        "name": grant.name,
        "scopes": list(grant.scopes),
        "created": grant.created,
        "expires": grant.expires or None,
        "state": "expired" if grant.has_expired(time.time_ns()) else "valid",
    }


def _moment(at: int | None) -> str:
    return moment(at) if at else "never"
