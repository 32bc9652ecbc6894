"""Bags, metrics and pictures that judge the fusion."""
