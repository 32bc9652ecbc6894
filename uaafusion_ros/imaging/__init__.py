"""Pixels: message bytes, thermal scaling, colour."""
