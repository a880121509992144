"""The recognition of long recordings: durable steps, and the queues that carry them out."""
