"""Tests of clusters run the search's stand-in trials, under the same conditions."""

from tests.search.conftest import quick as quick
