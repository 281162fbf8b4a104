"""The story of a grade: `grade.grade(...)`. Read that file first."""
