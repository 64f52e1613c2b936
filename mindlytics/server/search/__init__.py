"""Full-text search over turns, function calls, feedback, and the ids and traits of users.

``words.py`` makes words of texts, and ``texts.py`` says which texts have them. ``indexing.py`` fills the index after
the events are stored. ``sqlite.py`` and ``postgres.py`` hold the index, which is all that differs between databases.
``filters.py`` narrows a search, ``finding.py`` runs one, and ``routes.py`` answers requests.
"""
