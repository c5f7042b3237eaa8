"""`python -m tui`: the app without the command line around it; `rrr serve` starts one for each tab."""

from __future__ import annotations

import sys

from rrr_local.errors import RrrError
from rrr_local.text import sanitize
from tui.app import main

if __name__ == "__main__":
    try:
        sys.exit(main())
    except RrrError as error:
        print(f"rrr: {sanitize(error.cause)}\n     {sanitize(error.way_out)}", file=sys.stderr)
        sys.exit(error.exit_code)
