"""`dllab board`: all runs as a small local web page.

`content` is what the page asks for, as plain data; `server` hands it out on the loopback; the page
itself is board.html with board.css, board.js and chart.js, on top of the report's own style sheet.
"""
