"""The packages beside the server's own: the clients without the server, and the weights of the bundled model."""
