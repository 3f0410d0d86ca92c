"""Segmentation networks under one name each."""
