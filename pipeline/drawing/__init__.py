"""Regions as numbers, and how they become masks."""
