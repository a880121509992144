"""What the commands do that talk to a server: `shenava transcribe`, `shenava doctor`."""
