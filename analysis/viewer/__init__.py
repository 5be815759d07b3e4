"""The page people look at: attention of one, two or more models on one text, in one HTML file that asks for nothing.

show.py                      view(...): from runs or arrays to a Page
notes.py                     what a page says of itself
read.py                      what a run does on a text
attention.py, layer.py       the same from plain arrays
checks.py                    what of them is refused
words.py                     tokens as people read them
statistics.py, matching.py   numbers per head; which heads of two models are most alike
budget.py                    what a page has room for
codec.py, payload.py         how it is packed
page.py, page.html           the HTML file
web/                         its program in TypeScript, built into viewer.js and viewer.css
"""
