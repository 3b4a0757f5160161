"""How property tests run: on a busy machine a single example may take long, which says nothing about the code."""

from __future__ import annotations

from hypothesis import settings

patient = settings(deadline=None, max_examples=40)
