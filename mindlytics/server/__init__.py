"""The local server: takes events as the Mindlytics service does and keeps them in one SQLite file.

``run.py`` starts it, ``app.py`` speaks HTTP, ``store.py`` writes and reads the file. Nothing is imported here, so that
``import mindlytics`` needs no aiohttp.
"""
