"""`dllab watch`: a lab's visible checks on every save. Read `loop` first.

`affected` says which checks a save touches, `edited` which tasks it was about, `rounds` runs checks
in the background on a warm worker, `state` is what is known and shown, `screen` draws it,
`terminal` reads keys and lends the terminal.
"""
