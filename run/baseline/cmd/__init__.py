"""Commands of the baseline task, one file each."""
