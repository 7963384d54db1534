"""Executors: where trials run. One interface, whether in this process or in several."""
