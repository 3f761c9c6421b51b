"""Builds the head template: skin from the CC0 base mesh registered to ICT-FaceKit, plus our own anatomy."""
