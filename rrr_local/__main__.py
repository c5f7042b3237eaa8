"""`python -m rrr_local` is `rrr`."""

from __future__ import annotations

from rrr_local.cli.main import main

if __name__ == "__main__":
    main()
