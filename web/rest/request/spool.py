"""Hold a recording of any length while it is recognized: its beginning in memory, more of it on disk."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from starlette.datastructures import UploadFile

from web.rest.request.audio import Audio, uploaded_audio
from web.rest.request.body import SPOOLED_BYTES


@dataclass(frozen=True, slots=True)
class SpooledRecording:
    """A recording that arrived, and the SHA-256 of its bytes in hexadecimal."""

    upload: UploadFile
    sha256: str

    async def audio(self) -> Audio:
        """Return its bytes from the beginning; raises ClientError if there are none."""
        await self.upload.seek(0)
        return uploaded_audio(self.upload)


@asynccontextmanager
async def spooled(pieces: AsyncIterator[bytes]) -> AsyncIterator[SpooledRecording]:
    """Read a recording and hold it while the context lasts; the caller bounds its size."""
    digest = hashlib.sha256(usedforsecurity=False)
    # Closed with the upload; in Python 3.11 it is a BinaryIO in all but name.
    file = cast(BinaryIO, SpooledTemporaryFile(max_size=SPOOLED_BYTES))  # noqa: SIM115
    upload = UploadFile(file, size=0)
    try:
        async for piece in pieces:
            digest.update(piece)
            await upload.write(piece)
        yield SpooledRecording(upload, digest.hexdigest())
    finally:
        await upload.close()
