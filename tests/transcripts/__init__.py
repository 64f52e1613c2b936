"""The formats that ``mindlytics import`` reads, each with samples and what they come to."""
