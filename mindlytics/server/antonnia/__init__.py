"""The Antonnia Conversations API of the local server, below ``/conversations/v2``, over the same SQLite file.

``app.py`` speaks HTTP, ``actions.py`` carries out requests, and ``documents.py`` stores what they make. ``desk.py``
carries out what is due later: replies and schedules. ``webhooks.py`` posts events to an application.
"""
