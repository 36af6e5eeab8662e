"""Signatures of actions at Hyperliquid, by the key of an agent's wallet.

What is signed is the hash of the action as MessagePack, its keys in the order in which they are sent, with nonce, vault
and deadline; the typed data is `Agent(string source,bytes32 connectionId)`. Requests that move money are typed data of
their own fields, which only the main wallet may sign. Sources: hyperliquid-python-sdk 0.24.0 (`utils/signing.py`, the
vectors of its tests), hyperliquid.gitbook.io "Signing" and "Nonces and API wallets", as of 2026-10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from onetape.model.errors import BadConfig
from onetape.venues.typed_data import address_of, checked, digest, domain, is_address, keccak, signed, wallet_key

__all__ = ["OWNER_ACTIONS", "SOURCES", "AgentSigner", "action_hash", "agent_digest", "owner_digest"]

SOURCES: Final = {"live": "a", "demo": "b"}
_CHAIN: Final = 1337  # of all actions but the owner's
_to_msgpack: Final = msgspec.msgpack.Encoder().encode
# Actions that only the main wallet signs: name of the typed data, and its fields after `hyperliquidChain`.
OWNER_ACTIONS: Final = {
    "usdSend": ("UsdSend", "string destination,string amount,uint64 time"),
    "spotSend": ("SpotSend", "string destination,string token,string amount,uint64 time"),
    "withdraw3": ("Withdraw", "string destination,string amount,uint64 time"),
    "usdClassTransfer": ("UsdClassTransfer", "string amount,bool toPerp,uint64 nonce"),
    "approveAgent": ("ApproveAgent", "address agentAddress,string agentName,uint64 nonce"),
    "approveBuilderFee": ("ApproveBuilderFee", "string maxFeeRate,address builder,uint64 nonce"),
    "userSetAbstraction": ("UserSetAbstraction", "address user,string abstraction,uint64 nonce"),
}


def action_hash(action: Any, nonce: int, *, vault: str = "", expires: int | None = None) -> bytes:
    """Returns the 32 bytes that name an action. vault: the sub-account or vault it is for; expires: ms UTC."""
    data = _to_msgpack(action) + nonce.to_bytes(8, "big")
    data += b"\x01" + bytes.fromhex(vault[2:]) if vault else b"\x00"
    if expires is not None:
        data += b"\x00" + expires.to_bytes(8, "big")
    return keccak(data)


def agent_digest(hash_: bytes, source: str) -> bytes:
    """Returns the 32 bytes that are signed for an action. source: of `SOURCES`."""
    return digest(domain("Exchange", _CHAIN), "Agent", {"string source": source, "bytes32 connectionId": hash_})


def owner_digest(action: Mapping[str, Any]) -> bytes:
    """Returns the 32 bytes that a main wallet signs. Raises KeyError, TypeError or ValueError for malformed actions."""
    name, fields = OWNER_ACTIONS[action["type"]]
    typed = {field: action[field.partition(" ")[2]] for field in f"string hyperliquidChain,{fields}".split(",")}
    chain = int(action["signatureChainId"], 16)
    return digest(domain("HyperliquidSignTransaction", chain), f"HyperliquidTransaction:{name}", typed)


class AgentSigner:
    """Signs for an account with the wallet of an agent. account: the main wallet's address; of a sub-account or vault
    `MAIN/ADDRESS`, because its actions name it and are signed for the main wallet; secret: the agent's private key, 32
    bytes in hexadecimal; source: of `SOURCES`. Raises BadConfig."""

    def __init__(self, account: str, secret: str, source: str) -> None:
        self.owner, slash, vault = account.partition("/")
        self._key = wallet_key(self.owner, secret)
        if slash and not is_address(vault):
            todo = "write the main wallet's address, a slash, and that of the sub-account or vault"
            raise BadConfig("the key names no sub-account or vault", location="key", todo=todo)
        self.vault = vault.lower()
        self.agent = address_of(self._key.public_key.format(False))
        self._source = source

    def sign(self, action: Any, nonce: int, expires: int | None) -> dict[str, Any]:
        """Returns r, s, v."""
        text = signed(
            self._key, agent_digest(action_hash(action, nonce, vault=self.vault, expires=expires), self._source)
        )
        return {"r": text[:66], "s": f"0x{text[66:130]}", "v": int(text[130:], 16)}

    @property
    def is_owner(self) -> bool:
        return checked(self.owner) == self.agent

    def refuse_main_key(self) -> None:
        """Raises BadConfig if the account's main wallet signs, because its key can move everything in the account."""
        if self.is_owner:
            raise BadConfig(
                "the secret is the key of the main wallet",
                location="secret",
                todo="approve an agent (API wallet) at the venue, and give its key",
            )
