"""The connections of the server: uvicorn's protocols, with what it leaves unbounded bounded."""
