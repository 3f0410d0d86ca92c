"""Pseudo-labels: predicted, handed out, corrected by people, merged into a dataset file, trained on."""
