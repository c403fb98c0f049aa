"""Figures for Prometheus, made when somebody asks: no thread, no registry, no cost in between."""
