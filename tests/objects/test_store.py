"""Objects that were put on the disk come back as they were."""

import errno
import tempfile
import uuid
from pathlib import Path

import numpy as np
import pytest
import shapely

from cerberus_annotate.errors import CerberusError
from cerberus_annotate.objects import store as store_module
from cerberus_annotate.objects.predicted import PredictedObject
from cerberus_annotate.objects.store import ObjectStore


def nucleus(at: int, **more: object) -> PredictedObject:
    ring = shapely.Point(at, 2 * at).buffer(3)
    return PredictedObject("nuclei", f"Nucleus: {at % 3}", ring, at / 100, **more)  # type: ignore[arg-type]


def test_nuclei_come_back_from_the_disk_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "CHUNK", 10)
    gland = PredictedObject("gland", "Gland", shapely.box(0, 0, 90, 90), 0.5)
    lumen = PredictedObject("lumen", "Lumen", shapely.box(1, 1, 9, 9), 0.5, parent=gland.uuid)
    with_hole = PredictedObject(
        "nuclei",
        "Nucleus",
        shapely.Polygon(shapely.box(0, 0, 9, 9).exterior, [shapely.box(2, 2, 3, 3).exterior]),
        0.25,
        parent=uuid.uuid4(),
        measurements={"Area µm²": 3.5, "Odd": 1.0},
    )
    nuclei = [*(nucleus(at, measurements={"Area µm²": at * 1.5}) for at in range(24)), with_hole]
    store = ObjectStore()
    store.add(nuclei)
    store.add([gland, lumen])
    assert store.counts == {"nuclei": 25, "gland": 1, "lumen": 1}
    for _ in range(2):
        chunks = list(store.chunks())
        assert chunks[0] == [gland, lumen]
        assert [each for chunk in chunks[1:] for each in chunk] == nuclei
        assert max(map(len, chunks)) == 10


def test_the_files_go_with_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "CHUNK", 2)
    store = ObjectStore()
    store.add([nucleus(at) for at in range(4)])
    folder = store._files[0].parent
    assert len(list(folder.iterdir())) == 2
    store.close()
    assert not folder.exists()


def test_a_full_disk_is_told_with_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(store_module, "CHUNK", 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(CerberusError, match=f"{tmp_path}.*No space left on device.*TMPDIR"):
        ObjectStore().add([nucleus(at) for at in range(4)])
