"""Metrics, one file per family; every number has a unit and a rule for the empty case."""
