"""Processes and their ends: serve, worker, the engine's process, supervision, TLS, exit codes."""
