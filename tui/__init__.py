"""The terminal app, made with Textual."""

import os

# Milliseconds after an escape in which a key makes it alt+key. With Textual's 100 (it reads this when it is first imported) an escape and
# a digit typed quickly would be one key. Terminals that know kitty's protocol tell the two apart whatever this is.
os.environ.setdefault("ESCDELAY", "30")
