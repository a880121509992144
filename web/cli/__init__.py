"""The command line: `serve`, `worker`, `engine`, `transcribe`, `mic`, `doctor`, `token`."""
