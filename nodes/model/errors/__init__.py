"""Interpret the errors of model servers."""
