"""The command line: `serve`, `worker`, `engine`, `transcribe`, `doctor`, `token`."""
