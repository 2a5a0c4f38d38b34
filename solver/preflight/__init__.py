"""Preflight: everything that could cost a submission, tried before it is made. One line per check."""
