"""The commands of the landmark task."""
