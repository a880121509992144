"""A server of several processes: a parent with the socket and the engine, and workers that share them."""
