"""The command `niyosha caption`: captions of a microphone, a file or a live stream for a channel's audience."""
