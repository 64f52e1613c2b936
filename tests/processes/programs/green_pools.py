"""A pool of real threads beside green ones, of the library that LIBRARY names. ``elsewhere`` runs a function there."""

import os
import warnings

if os.environ["LIBRARY"] == "gevent":
    from gevent import monkey

    monkey.patch_all()
    import gevent

    def elsewhere(function: object) -> None:
        gevent.get_hub().threadpool.spawn(function).get()

else:
    warnings.simplefilter("ignore")
    import eventlet

    eventlet.monkey_patch()
    import eventlet.tpool

    elsewhere = eventlet.tpool.execute
