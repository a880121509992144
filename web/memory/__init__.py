"""The memory of the process: budgets for what is held for callers, and the return of what was freed."""
