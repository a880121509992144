"""Recognition of long recordings: repeatable steps, and the queues that carry them out."""
