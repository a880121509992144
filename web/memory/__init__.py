"""The memory of the process: budgets for request bodies, and the return of freed memory to the system."""
