"""Handing in: pack a run into submission.zip, and take a stranger's archive in safely."""
