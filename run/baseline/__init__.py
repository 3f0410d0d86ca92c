"""Segmentation of volumes: the baseline task."""
