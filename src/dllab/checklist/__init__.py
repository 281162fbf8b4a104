"""Topics and boxes, which lab serves them, and what one learner has done of them.

`topics` reads labs/checklist.yaml, `coverage` says how each topic is served, `progress` is the
learner's own file, and `standing` puts the three together: what is done, and what to do next.
"""
