"""What the fitting tests share: the real models, loaded once."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def models():
    from neural_backend.fitting.fit import load_models

    return load_models()


@pytest.fixture(scope="session")
def astronaut():
    from neural_backend.perception.image import load_photo

    return load_photo(ROOT / "examples" / "astronaut.png")
