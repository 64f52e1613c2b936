"""Sends 30 tasks to the broker."""

from celery_tasks import turn

for n in range(30):
    turn.delay(n)
