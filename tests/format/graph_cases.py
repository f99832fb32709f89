"""Graphs of every kind that a reader must refuse, and some that it must take: one table for all readers."""

from __future__ import annotations

from graph_building import Case
from graph_contents import EXTERNALS, FUNCTIONS, OPERATORS
from graph_sizes import ACCEPTED, BOMBS
from graph_structure import STRUCTURE

CASES: tuple[Case, ...] = (*STRUCTURE, *EXTERNALS, *OPERATORS, *FUNCTIONS, *BOMBS, *ACCEPTED)
