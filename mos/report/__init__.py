"""Reads result files and turns them into tables, pages and figures."""
