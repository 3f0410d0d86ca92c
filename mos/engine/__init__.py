"""The training engine: it knows no task, network or batch by name."""
