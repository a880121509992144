"""Riva's gRPC service on the gateway: its calls are live connections like those of the WebSockets."""
