"""MOS (Medical Open Source): an experiment harness for medical images."""

__version__ = "0.1.0"
