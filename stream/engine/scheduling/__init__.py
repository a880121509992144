"""Which decode runs next: work queues, fair shares between callers, load and its control."""
