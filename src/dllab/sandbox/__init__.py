"""Running learner code apart from the grader: inputs in, arrays out.

`session` is the grader's side, `worker` the other one, `wire` what travels between them, and
`backends` how strong the wall is.
"""
