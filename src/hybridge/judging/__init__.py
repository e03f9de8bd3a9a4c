"""Judging: candidates of questions, grades of several judges, and qrels."""
