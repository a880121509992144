"""Tokens for tests: valid ones, and ones with any claims."""

import time

import jwt

SECRET = "s" * 32
ISSUER = AUDIENCE = "niyosha"


def claims(**changed: object) -> dict[str, object]:
    """The claims of a good token, changed; what is None is left out."""
    now = int(time.time())
    # A token of a parametrized test is made when the tests are collected, long before it is used.
    usual = {"sub": "somebody", "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 86_400}
    return {name: value for name, value in (usual | changed).items() if value is not None}


def token(secret: str = SECRET, /, **changed: object) -> str:
    """A token of the server with this secret."""
    return jwt.encode(claims(**changed), secret, "HS256")


def bearer(secret: str = SECRET, /, **changed: object) -> dict[str, str]:
    """The header with such a token."""
    return {"Authorization": f"Bearer {token(secret, **changed)}"}
