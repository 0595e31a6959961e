"""Amplify: gather what a community offers, publish it once, everywhere.

`pipeline` draws the whole; `model` has the nouns; plugins import `amplify.api` and nothing else.
"""

__version__ = "0.1.0"
