"""Puts the parts together: the only files that name adapters. One file for each thing that is run."""
