"""Benches of the whole product: live socket, page, recordings, published clients."""
