"""Landmarks: named points found by regressing one heatmap each."""
