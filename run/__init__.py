"""Programs: one package per task."""
