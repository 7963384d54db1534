"""python -m fer_sweep: the command without its script, as where a scheduler names a Python."""

from fer_sweep.cli.app import main

if __name__ == "__main__":
    main()
