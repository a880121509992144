"""Riva servers: addresses, discovery, channels, circuit breakers, sessions at each server."""
