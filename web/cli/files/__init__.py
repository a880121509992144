"""The command `niyosha transcribe`: recordings as files, from a pipe, or at addresses."""
