"""Deepgram's listen API v1: live over a WebSocket, and recordings."""
