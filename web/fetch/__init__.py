"""The download of audio from where a client says it is, and from nowhere else."""
