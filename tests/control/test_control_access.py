"""Who may call what: route by token by origin, on a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from control_worlds import BODIES, CONTROL, Plane, path_of, plane

from onetape.cli.hedging import as_operator
from onetape.model.config import parse_config
from onetape.model.errors import BadConfig, PermissionDenied
from onetape.model.sections import OPERATOR, ControlConfig
from onetape.options.control import control_options
from onetape.security.tokens import make_token
from onetape.supervisor.start_check import check_start
from onetape.web.auth import Entrance
from onetape.web.control_routes import ROUTES
from onetape.web.tokens import SCOPES, TokenStore

TOKENS = ("none", "wrong", "expired", *SCOPES)
ORIGINS = (None, "own", "https://evil.example", "null")


def made_tokens(home: Path) -> dict[str, str]:
    """A token of each scope, and one with all that has expired."""
    store = TokenStore(home)
    made = {scope: store.create(scope, [scope])[0] for scope in SCOPES}
    made["expired"] = store.create("expired", list(SCOPES), days=1)[0]
    *others, last = store.grants() or ()
    changed = [*others, msgspec.structs.replace(last, expires=last.created)]
    (home / "state" / "control.tokens").write_bytes(msgspec.json.encode(changed))
    return made | {"wrong": "ot_wrong"}


def bearer(token: str) -> str:
    return f"Bearer {token}"


def test_each_route_takes_the_tokens_of_its_scope_from_its_own_page_and_no_other(tmp_path: Path):
    tokens = made_tokens(tmp_path)

    async def work(at: Plane) -> None:
        for route in ROUTES:
            body = BODIES.get(route.name, {}) if route.method == "POST" else None
            for token in TOKENS:
                for origin in ORIGINS:
                    headers = {} if token == "none" else {"Authorization": bearer(tokens[token])}
                    if origin is not None:
                        headers["Origin"] = at.server.address if origin == "own" else origin
                    before = len(at.calls)
                    status, answer, _ = await at.call(route.method, path_of(route), body, **headers)
                    is_own = origin in (None, "own")
                    expected = 200 if is_own and token == route.scope else 403
                    if is_own and token in ("none", "wrong", "expired"):
                        expected = 401
                    seen = (route.name, token, origin, answer)
                    assert status == expected, seen
                    assert (len(at.calls) > before) == (status == 200), seen
                    if status != 200:
                        assert (answer["code"], answer["name"]) == (3001, "PERMISSION_DENIED"), seen

    plane(tmp_path, work)


def test_a_dry_run_needs_no_more_than_to_read(tmp_path: Path):
    tokens = made_tokens(tmp_path)
    rows = [("read", True, 200), ("trade", True, 200), ("kill", True, 403), ("read", False, 403), ("trade", False, 200)]

    async def work(at: Plane) -> None:
        for token, dry, expected in rows:
            body = {**CONTROL, "dryRun": dry}
            status, _, _ = await at.call("POST", "delta/control", body, Authorization=bearer(tokens[token]))
            assert status == expected, (token, dry)

    plane(tmp_path, work)


def test_loopback_is_open_until_a_token_is_made_and_closed_from_then_on(tmp_path: Path):
    store = TokenStore(tmp_path)

    async def work(at: Plane) -> None:
        assert (await at.call("POST", "system/stop"))[0] == 200
        token, _ = store.create("bot", ["read"])
        assert (await at.call("GET", "symbols"))[0] == 401
        assert (await at.call("GET", "symbols", Authorization=f"bearer {token}"))[0] == 200
        store.revoke("bot")
        for shown in ({}, {"Authorization": bearer(token)}, {"Authorization": "Basic YTpi"}):
            status, _, headers = await at.call("GET", "symbols", **shown)
            assert status == 401 and headers["WWW-Authenticate"] == "Bearer"

    plane(tmp_path, work)


ACCOUNT = '[venues.x]\nkind = "kraken"\nmode = "{mode}"\n[accounts.main]\nvenue = "x"\n'


@pytest.mark.parametrize(("mode", "expected"), [("sim", 200), ("demo", 401), ("live", 401)])
def test_accounts_at_venues_need_a_token_on_loopback_too(tmp_path: Path, mode: str, expected: int):
    async def work(at: Plane) -> None:
        for method, path in (("GET", "symbols"), ("POST", "system/stop")):
            status, answer, _ = await at.call(method, path)
            assert status == expected
            assert status == 200 or "onetape token create" in answer["solution"]
        chosen, shell = {"token": "x"}, SimpleNamespace(home=tmp_path)
        own = as_operator(shell, {"token": None})["token"]
        assert own == make_token(tmp_path, OPERATOR) and as_operator(shell, chosen) == chosen
        status, _, _ = await at.call("GET", "caller", Authorization=bearer(own))
        assert (status, at.calls[-1].actor) == (200, "anonymous" if mode == "sim" else OPERATOR)
        assert (await at.call("GET", "symbols", Authorization=bearer("0" * 64)))[0] == expected
        token, _ = TokenStore(tmp_path).create("bot", ["read"])
        assert (await at.call("GET", "symbols", Authorization=bearer(token)))[0] == 200
        assert (await at.call("GET", "symbols", Authorization=bearer(own)))[0] == 401, (
            "tokens say who may, from then on"
        )

    plane(tmp_path, work, accounts=ACCOUNT.format(mode=mode))


@pytest.mark.parametrize(("mode", "warned"), [("sim", 0), ("demo", 1), ("live", 1)])
def test_a_home_with_accounts_at_venues_and_no_token_is_warned_of(tmp_path: Path, mode: str, warned: int):
    def found(text: str) -> list[str]:
        config = parse_config(text + ACCOUNT.format(mode=mode))
        return [each.todo for each in check_start(config, tmp_path, tmp_path) if each.subject == "control"]

    todo = "onetape token create NAME --scope read,trade,kill"
    assert found("[control]\n") == [todo] * warned and found("") == []
    TokenStore(tmp_path).create("bot", ["read"])
    assert found("[control]\n") == []
    (tmp_path / "state" / "control.tokens").write_text("{")
    assert len(found("[control]\n")) == warned


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost:1:2", "[::2]", "evil@localhost"])
def test_a_name_that_is_not_ours_is_not_answered(tmp_path: Path, host: str):
    async def work(at: Plane) -> None:
        status, answer, _ = await at.call("GET", "symbols", Host=host)
        assert (status, answer["code"]) == (403, 3001)

    plane(tmp_path, work)


@pytest.mark.parametrize(
    "host", ["localhost:3000", "127.0.0.1", "[::1]:3000", "LOCALHOST", "my.name", "other.name:1", "[2001:db8::1]:3000"]
)
def test_its_own_names_are_answered(tmp_path: Path, host: str):
    entrance = Entrance(ControlConfig(hosts=["my.name", "other.name:443", "2001:DB8::1"]), TokenStore(tmp_path))
    entrance.check_source({"Host": host})
    entrance.check_source({"Host": host, "Origin": f"http://{host}"})
    for other in ("http://localhost:8080", f"https://{host}", "null"):
        with pytest.raises(PermissionDenied):
            entrance.check_source({"Host": host, "Origin": other})


def test_both_addresses_of_localhost_answer(tmp_path: Path):
    async def work(at: Plane) -> None:
        port = at.server.address.rpartition(":")[2]
        async with at.session.get(f"http://localhost:{port}/api/v1/caller") as got:
            assert got.status == 200
        try:
            _, writer = await asyncio.open_connection("::1", int(port))
        except OSError:
            pytest.skip("this machine has no ::1")
        writer.close()

    plane(tmp_path, work)


def test_who_calls_too_often_waits_and_others_do_not(tmp_path: Path):
    tokens = made_tokens(tmp_path)

    async def work(at: Plane) -> None:
        async def until_limited(token: str) -> tuple[set[int], dict, dict]:
            statuses = set()
            while True:
                status, answer, headers = await at.call("GET", "symbols", Authorization=bearer(token))
                if status == 429:
                    return statuses, answer, headers
                statuses.add(status)

        statuses, answer, headers = await until_limited(tokens["read"])
        assert statuses == {200}
        assert answer["code"] == 3002 and 0 < answer["retryAfter"] <= 1000 and int(headers["Retry-After"]) >= 1
        statuses, _, _ = await until_limited("ot_guess")  # guesses count by the address
        assert statuses == {401}
        for _ in range(5):  # nobody who may stop it is told to wait
            assert (await at.call("POST", "system/stop", Authorization=bearer(tokens["kill"])))[0] == 200

    plane(tmp_path, work, per_second=1)


OPEN = "[control]\nport = 0\n"
TLS = 'tls_cert = "c"\ntls_key = "k"\n'


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ('host = "192.0.2.1"', "TLS"),
        (f'host = "0.0.0.0"\n{TLS}', "no token"),
        ('tls_cert = "c"', "go together"),
        (TLS, "cannot read"),
    ],
)
def test_what_would_be_open_to_a_network_does_not_start(tmp_path: Path, section: str, why: str):
    with pytest.raises(BadConfig, match=why):
        control_options(parse_config(OPEN + section), home=tmp_path, folder=tmp_path)


def test_off_loopback_it_starts_with_tls_a_token_and_a_name(tmp_path: Path):
    for name in ("c", "k"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o600)
    open_to_all = f'{OPEN}host = "0.0.0.0"\n{TLS}'
    TokenStore(tmp_path).create("bot", ["read"])
    with pytest.raises(BadConfig, match="needs a host name"):
        control_options(parse_config(open_to_all), home=tmp_path, folder=tmp_path)
    config = parse_config(f'{open_to_all}hosts = ["a.b"]')
    assert control_options(config, home=tmp_path, folder=tmp_path).tls_key == str(tmp_path / "k")
    (tmp_path / "k").chmod(0o644)
    with pytest.raises(PermissionDenied, match="others may read"):
        control_options(config, home=tmp_path, folder=tmp_path)
