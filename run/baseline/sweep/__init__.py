"""Launchers times settings times options from one file, as a queue here or as an array on Slurm."""
