"""Reports: what studies found as one self-contained HTML file, to read, to print and to send."""
