"""Riva servers, and Speech NIMs, as a backend."""
