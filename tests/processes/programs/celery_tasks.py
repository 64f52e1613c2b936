"""A Celery task that records an event. The messages are files in the folder that BROKER names."""

import os

from celery import Celery

from mindlytics import Client

app = Celery("celery_tasks", broker="filesystem://")
folder = os.environ["BROKER"]
app.conf.broker_transport_options = {"data_folder_in": folder, "data_folder_out": folder}
app.conf.worker_hijack_root_logger = False
client = Client()


@app.task
def turn(n: int) -> None:
    client.create_session(id="u").track_event(event=str(n))
