"""Evaluation and cost of lifting: test windows, metrics, the rows of the MVLift paper's tables, and the benchmark."""
