"""Our two themes. The colours of pass and fail are Okabe and Ito's blueish green and vermilion, which the colour-blind tell apart."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="rrr-dark",
    primary="#56B4E9",
    secondary="#3E7FA6",
    accent="#CC79A7",
    success="#2FBF97",
    warning="#E69F00",
    error="#F2703A",
    foreground="#E4E6EB",
    background="#14161B",
    surface="#1B1E25",
    panel="#252A33",
    dark=True,
    variables={
        "block-cursor-background": "#27485C",
        "block-cursor-foreground": "#FFFFFF",
        "block-cursor-text-style": "bold",
        "border": "#56B4E9",
        "border-blurred": "#4A5364",
        "scrollbar": "#4A5364",
        "scrollbar-background": "#1B1E25",
        "footer-background": "#1B1E25",
        "footer-key-foreground": "#56B4E9",
        "footer-description-foreground": "#C3C8D2",
        "input-selection-background": "#56B4E9 35%",
    },
)
LIGHT = Theme(
    name="rrr-light",
    primary="#0063A3",
    secondary="#3E7FA6",
    accent="#9C3D75",
    success="#00735A",
    warning="#8F5A00",
    error="#B33C00",
    foreground="#1B1E25",
    background="#FBFAF7",
    surface="#F1EFEA",
    panel="#E4E1DA",
    dark=False,
    variables={
        "block-cursor-background": "#CBE2F2",
        "block-cursor-foreground": "#10202B",
        "block-cursor-text-style": "bold",
        "border": "#0063A3",
        "border-blurred": "#A9A49A",
        "scrollbar": "#A9A49A",
        "scrollbar-background": "#E4E1DA",
        "footer-background": "#F1EFEA",
        "footer-key-foreground": "#0063A3",
        "footer-description-foreground": "#3A3F4A",
        "input-selection-background": "#0063A3 25%",
    },
)
THEMES = (DARK, LIGHT)
"""The first one is the default; Textual's own can be chosen as well."""
