"""Caption channels of this process: who publishes, who reads, and what is stored."""
