"""What the commands do that talk to a server: `niyosha transcribe`, `niyosha doctor`."""
