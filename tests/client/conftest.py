"""Clients whose backend is the real one, or a scripted double that fails on demand. No Blender."""

from __future__ import annotations

import sys

import pytest
from client_helpers import SCRIPTED, addon, launch


@pytest.fixture
def scripted(tmp_path):
    """scripted("crash") -> a client whose backend behaves like that."""
    clients = []

    def make(*behaviour: str, **patience: float):
        client = addon("client").Client(
            lambda: launch(tmp_path, sys.executable, str(SCRIPTED), *behaviour), addon("client").Patience(**patience)
        )
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close(2.0)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """A client of the real backend, one process for the tests of a file unless they kill it."""
    folder = tmp_path_factory.mktemp("backend")
    client = addon("client").Client(lambda: launch(folder, sys.executable, "-m", "neural_backend.server"))
    yield client
    client.close(6.0)
