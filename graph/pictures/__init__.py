"""Drawings and plots for notebooks and files."""
