"""Carry messages between hosts by NATS, and keep the newest of them in its JetStream store."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from onetape.cluster.credentials import Credentials
from onetape.model.errors import BadConfig

__all__ = ["Bus", "Receive"]

CONNECT_S: Final = 5.0
PING_S: Final = 2.0  # a server that does not answer two of these is left for the next one
WAITING_BYTES: Final = 64 << 20  # of messages that wait for this process: more are dropped, and requested later
REFUSED: Final = "authorization violation"
LEASE_S: Final = 1.0
_OTHER_REVISION: Final = 10071  # JetStream's number for "wrong last sequence"
_NO_STORE: Final = (10039, 10076)  # JetStream is not enabled: for the account, at all
STORE_S: Final = 24 * 3600

# (subject, message, subject for the answer or "")
Receive = Callable[[str, bytes, str], None]


class Bus:
    """A connection to one of several NATS servers, kept up. root: the first token of all subjects. received: called
    with each message. changed: called after a connection ("") and after a loss, with what is the matter. ca: file with
    the certificates that vouch for the servers, "": the machine's."""

    def __init__(
        self,
        servers: list[str],
        *,
        name: str,
        root: str,
        received: Receive,
        changed: Callable[[str], None] = lambda _: None,
        credentials: Credentials | None = None,
        ca: str = "",
    ) -> None:
        import nats
        import nats.errors
        import nats.js.errors

        self._nats = nats
        self._servers, self._name, self._root = servers, name, root
        self._received, self._changed = received, changed
        self._credentials, self._ca = credentials, ca
        self._client: Any = None
        self._outbox: list[tuple[str, bytes, str]] = []
        self._following: dict[str, Any] = {}
        self._changing = asyncio.Lock()  # what is followed
        self._sending = asyncio.Event()
        self._refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.stored = ""  # why the servers keep no blocks, "": they do

    @property
    def is_connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    @property
    def is_following(self) -> bool:
        return bool(self._following)

    async def connect(self) -> None:
        """Returns when a server was reached. Raises BadConfig where one refuses the credentials."""

        async def changed(*_: object) -> None:
            self._changed("" if self.is_connected else "disconnected")

        options: dict[str, Any] = {
            "name": self._name,
            "connect_timeout": CONNECT_S,
            "ping_interval": PING_S,
            "max_outstanding_pings": 2,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.25,
            "pending_size": 16 << 20,
            "disconnected_cb": changed,
            "reconnected_cb": changed,
            "error_cb": self._failed,
        }
        if self._credentials is not None:
            options |= {"user_jwt_cb": self._credentials.jwt, "signature_cb": self._credentials.sign}
        if self._ca:
            options["tls"] = ssl.create_default_context(cafile=self._ca)
        connecting = asyncio.ensure_future(self._nats.connect(self._servers, **options))
        first: list[asyncio.Future[Any]] = [connecting, self._refused]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if not connecting.done():
            connecting.cancel()
            raise BadConfig(
                f"a server refuses them: {self._refused.result()}",
                location="[cluster] credentials",
                todo="see the server's accounts",
            )
        self._client = connecting.result()

    async def _failed(self, error: Exception) -> None:
        if REFUSED in str(error).lower():  # nats-py has a class for it, and raises another while it connects
            if not self._refused.done():
                self._refused.set_result(str(error))
        elif not isinstance(error, self._nats.errors.SlowConsumerError):  # dropped blocks are requested
            self._changed(str(error) or type(error).__name__)

    async def keep(self, *, bytes_max: int, replicas: int) -> None:
        """Let the servers store blocks of journals, so that they outlive a host. Notes in `stored` why they do not."""
        from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig

        config = StreamConfig(
            name=f"{self._root}-tape",
            subjects=[f"{self._root}.tape.>"],
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            storage=StorageType.FILE,
            max_bytes=bytes_max,
            max_age=STORE_S,
            num_replicas=replicas,
            no_ack=True,  # the tape is the truth: a block that was not stored is requested there
        )
        stream = self._client.jetstream(timeout=CONNECT_S)
        try:
            try:
                await stream.add_stream(config)
            except self._nats.js.errors.BadRequestError:  # it exists, with other limits
                await stream.update_stream(config)
        except (self._nats.errors.Error, TimeoutError) as error:
            self.stored = str(error) or type(error).__name__
        else:
            self.stored = ""

    # --- leases ------------------------------------------------------------------------------------

    async def open_leases(self, *, replicas: int) -> None:
        """Make the store of leases. Raises BadConfig where the servers cannot."""
        from nats.js.api import DiscardPolicy, StorageType, StreamConfig

        config = StreamConfig(
            name=f"{self._root}-lease",
            subjects=[f"{self._root}.lease.>"],
            discard=DiscardPolicy.OLD,
            storage=StorageType.FILE,
            max_msgs_per_subject=1,
            num_replicas=replicas,
            allow_direct=False,  # only the leader answers: a lease is never read from a server that is behind
        )
        stream = self._client.jetstream(timeout=CONNECT_S)
        while True:
            try:
                await stream.add_stream(config)
            except (self._nats.js.errors.BadRequestError, self._nats.js.errors.ServiceUnavailableError) as error:
                if getattr(error, "err_code", 0) in _NO_STORE:
                    raise BadConfig(
                        f"a standby needs servers with JetStream: {error}",
                        location="[cluster] servers",
                        todo="start nats-server with --jetstream",
                    ) from None
                await asyncio.sleep(LEASE_S)
            except (self._nats.errors.Error, TimeoutError):  # away: tried again
                await asyncio.sleep(LEASE_S)
            else:
                return

    async def read_lease(self, key: str) -> tuple[bytes, int] | None:
        """Returns a record and its revision, (b"", 0): there is none; None: no answer."""
        stream = self._client.jetstream(timeout=LEASE_S)
        try:
            found = await stream.get_last_msg(f"{self._root}-lease", f"{self._root}.lease.{key}")
        except self._nats.js.errors.NotFoundError:
            return b"", 0
        except (self._nats.errors.Error, TimeoutError):
            return None
        return found.data or b"", found.seq

    async def write_lease(self, key: str, record: bytes, revision: int) -> int | None:
        """Write a record if the store has this revision of it. Returns the new revision, 0: it has another one;
        None: no answer."""
        stream = self._client.jetstream(timeout=LEASE_S)
        expected = {"Nats-Expected-Last-Subject-Sequence": str(revision)}
        try:
            written = await stream.publish(f"{self._root}.lease.{key}", record, headers=expected)
        except self._nats.js.errors.BadRequestError as error:
            return 0 if error.err_code == _OTHER_REVISION else None
        except (self._nats.errors.Error, TimeoutError):
            return None
        return int(written.seq)

    async def stored_since(self, subject: str, since: float, take: Callable[[bytes], None]) -> None:
        """Calls `take` with the stored messages of a subject since a time (s UTC)."""
        from datetime import UTC, datetime

        from nats.js.api import ConsumerConfig, DeliverPolicy

        stream = self._client.jetstream(timeout=CONNECT_S)
        try:
            followed = await stream.subscribe(
                subject,
                ordered_consumer=True,
                config=ConsumerConfig(
                    deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=datetime.fromtimestamp(since, UTC)
                ),
            )
            with suppress(TimeoutError, self._nats.errors.TimeoutError):
                while True:
                    message = await followed.next_msg(timeout=1.0)
                    take(message.data)
                    if message.metadata.num_pending == 0:
                        break
            await followed.unsubscribe()
        except (self._nats.errors.Error, TimeoutError):
            pass  # the store is away, too

    def send(self, subject: str, message: bytes, reply: str = "") -> None:
        """Queue a message; it leaves when the loop is next idle. While there is no connection nothing is kept."""
        if self.is_connected:
            self._outbox.append((subject, message, reply))
            self._sending.set()

    async def follow(self, subjects: list[str]) -> None:
        """Receive these subjects and no others."""
        async with self._changing:  # twice subscribed, a message comes twice
            for subject in self._following.keys() - set(subjects):
                await self._following.pop(subject).unsubscribe()
            for subject in subjects:
                if subject not in self._following:
                    self._following[subject] = await self._client.subscribe(
                        subject, cb=self._take, pending_msgs_limit=-1, pending_bytes_limit=WAITING_BYTES
                    )

    async def _take(self, message: Any) -> None:
        self._received(message.subject, message.data, message.reply)

    async def run(self) -> None:
        """Send what is queued, until canceled."""
        while True:
            await self._sending.wait()
            await self.flush()

    async def flush(self) -> None:
        """Send what is queued now."""
        self._sending.clear()
        outbox, self._outbox = self._outbox, []
        if self._client is not None:
            with suppress(self._nats.errors.Error):  # the connection broke: lost blocks are requested
                for subject, message, reply in outbox:
                    await self._client.publish(subject, message, reply)
                await self._client._flush_pending()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(self._nats.errors.Error, OSError, TimeoutError):
                await asyncio.wait_for(client.close(), CONNECT_S)
