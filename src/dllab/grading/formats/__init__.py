"""Three formats beside tasks: break-it, forecast, claims. `judge.judge_formats` is the way in."""
