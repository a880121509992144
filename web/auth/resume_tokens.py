"""Tokens by which a client goes on with its transcription over another connection, at any gateway of a database."""

import base64
import binascii
import hashlib
import hmac
import uuid
from dataclasses import dataclass

from stream.errors import ClientError, Problem
from web.clock import Clock

_EXPIRY_BYTES, _ID_BYTES, _MAC_BYTES = 6, 16, 20
_NOT_VALID = "the resume token is not valid here; connect without it"
_EXPIRED = "the resume token has expired; connect without it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeTokens:
    """Makes and reads tokens, each for one caller and one transcription, for `seconds`.

    They are signed with a `key` that all gateways of a database have. `clock` tells the time of day.
    """

    key: bytes
    seconds: float
    clock: Clock

    def issued(self, transcription_id: str, owner: str) -> str:
        """Return a token with which `owner` may resume a transcription, whose id is a UUID."""
        expires_at = int(self.clock() + self.seconds)
        content = expires_at.to_bytes(_EXPIRY_BYTES, "big") + uuid.UUID(transcription_id).bytes
        return base64.urlsafe_b64encode(content + self._mac(content, owner)).rstrip(b"=").decode()

    def transcription_id(self, token: str, owner: str) -> str:
        """Return the transcription that `owner` may resume; raises ClientError (`unauthenticated`)."""
        try:
            signed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            signed = b""
        content, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
        is_whole = len(signed) == _EXPIRY_BYTES + _ID_BYTES + _MAC_BYTES
        if not is_whole or not hmac.compare_digest(mac, self._mac(content, owner)):
            raise ClientError(Problem.UNAUTHENTICATED, _NOT_VALID)
        if int.from_bytes(content[:_EXPIRY_BYTES], "big") <= self.clock():
            raise ClientError(Problem.UNAUTHENTICATED, _EXPIRED)
        return str(uuid.UUID(bytes=content[_EXPIRY_BYTES:]))

    def _mac(self, content: bytes, owner: str) -> bytes:
        return hmac.digest(self.key, content + owner.encode(errors="surrogatepass"), hashlib.sha256)[:_MAC_BYTES]
