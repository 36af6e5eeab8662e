"""Signatures of requests to Aster: EIP-712 typed data of one string, by the key of an agent's wallet.

The typed data is `Message(string msg)` in the domain AsterSignTransaction; msg is the text of the parameters exactly as
sent, including nonce, user and signer; the signature goes last. Source: asterdex/api-docs V3(Recommended),
"Authentication", of 2026-06.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from onetape.model.errors import BadConfig
from onetape.venues.binance.signing import Signer
from onetape.venues.query_text import query_text
from onetape.venues.typed_data import address_of, checked, digest, domain, signed, wallet_key

__all__ = ["MAINNET", "TESTNET", "WalletSigner", "digest_of", "owner_digest", "refuse_main_key"]

MAINNET: Final = 1666  # chain ids of the domain
TESTNET: Final = 714
_DOMAIN: Final = "AsterSignTransaction"


def digest_of(message: bytes, chain: int) -> bytes:
    """Returns the 32 bytes that are signed for the text of a request."""
    return digest(domain(_DOMAIN, chain), "Message", {"string msg": message})


def owner_digest(name: str, values: Mapping[str, str | int | bool], chain: int) -> bytes:
    """Returns the 32 bytes that a main wallet signs. values: the fields, in order."""
    typed: dict[str, str | int | bytes] = {}
    for field, value in values.items():
        kind = "string" if isinstance(value, str) else "bool" if isinstance(value, bool) else "uint256"
        typed[f"{kind} {field[0].upper()}{field[1:]}"] = value
    return digest(domain(_DOMAIN, chain), name, typed)


class WalletSigner:
    """Signs for a user with the wallet of an agent. user: the account's address; secret: the agent's private key, 32
    bytes in hexadecimal. Both "": unsigned requests only. Raises BadConfig."""

    opens_session = False

    def __init__(self, user: str, secret: str, chain: int = MAINNET) -> None:
        self.chain = chain
        if not user and not secret:
            self.signer = self.who = ""
            return
        self._key = wallet_key(user, secret)
        self.signer = address_of(self._key.public_key.format(False))
        self.who = f"user={user}&signer={self.signer}"

    def sign(self, payload: bytes) -> str:
        """Returns r, s and v of a text, as 0x and 130 hexadecimal digits."""
        return self.signed(digest_of(payload, self.chain))

    def signed(self, digest_: bytes) -> str:
        return signed(self._key, digest_)

    def signed_query(self, params: Mapping[str, str], tail: str) -> str:
        """Returns `a=1&b=2&<tail>&user=..&signer=..&signature=0x..`."""
        text = query_text(params)
        query = f"{text}&{tail}&{self.who}" if text else f"{tail}&{self.who}"
        return f"{query}&signature={self.sign(query.encode())}"


def refuse_main_key(user: str, signer: Signer) -> None:
    """Raises BadConfig if the account's main wallet signs, because its key can move everything in the account."""
    if isinstance(signer, WalletSigner) and user and signer.signer == checked(user):
        raise BadConfig(
            "the secret is the key of the main wallet",
            location="secret",
            todo="approve an agent wallet at the venue, and give its key",
        )
