"""The command line: verbs, progress, exit codes. The only floor that prints or exits."""
