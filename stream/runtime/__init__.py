"""The asyncio shell of a session: audio and commands in, orders carried out, events into a bounded outbox."""
