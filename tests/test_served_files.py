"""A file that is truncated or rewritten while it is served: the model in memory stays as it is, and so it does when the new
file is bad."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import quantcore as qc

TEXTS = ["the cat sat", "a dog ran far", "the bird flew", "a cat and a dog", "birds sing", "dogs bark"] * 4
Y = np.array(["cat", "dog", "bird", "cat", "bird", "dog"] * 4)


@pytest.fixture
def served(tmp_path):
    """A path, its good bytes, and the labels."""
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, Y)
    path = tmp_path / "model.qc"
    qc.save(qc.quantize(source, TEXTS), path)
    return path, path.read_bytes(), source.predict(TEXTS)


def damages(good):
    """Contents that a file in service may come to have."""
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 16
    return {
        "emptied": b"",
        "truncated": good[: len(good) // 2],
        "one byte short": good[:-1],
        "longer": good + b"\0",
        "one bit flipped": bytes(flipped),
        "zeros": bytes(len(good)),
        "something else": b"#!/bin/sh\n",
    }


@pytest.mark.parametrize("damage", sorted(damages(b"0123456789")))
def test_a_damaged_file_changes_nothing_that_is_served(damage, served):
    path, good, labels = served
    model = qc.load(path)
    np.testing.assert_array_equal(qc.predict(path, TEXTS), labels)
    with path.open("r+b") as file:  # in place: the same inode, as a careless copy writes it
        file.write(damages(good)[damage])
        file.truncate(len(damages(good)[damage]))
    assert path.read_bytes() == damages(good)[damage]
    np.testing.assert_array_equal(model.predict(TEXTS), labels)
    np.testing.assert_array_equal(qc.predict(path, TEXTS), labels)
    assert model.data == good
    for _ in range(2):
        with pytest.raises(qc.ArtifactError):
            qc.reload(path)
        np.testing.assert_array_equal(qc.predict(path, TEXTS), labels)
    path.write_bytes(good)
    qc.reload(path)
    np.testing.assert_array_equal(qc.predict(path, TEXTS), labels)


def test_a_file_that_is_gone_or_no_file(served):
    path, _, labels = served
    qc.predict(path, TEXTS)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        qc.reload(path)
    np.testing.assert_array_equal(qc.predict(path, TEXTS), labels)
    path.mkdir()
    with pytest.raises(OSError):
        qc.reload(path)
    np.testing.assert_array_equal(qc.predict(path, TEXTS), labels)


def test_files_that_change_all_the_time(served):
    """A writer that is not atomic beside loads and reloads: good bytes or ArtifactError, and answers of one model throughout."""
    path, good, labels = served
    qc.predict(path, TEXTS)
    wrong, end = [], threading.Event()

    def write():
        contents = [*damages(good).values(), good]
        for i in range(400):
            with path.open("r+b") as file:
                file.write(contents[i % len(contents)])
                file.truncate()
        end.set()

    def read():
        while not end.is_set():
            for call in (qc.reload, qc.load):
                try:
                    call(path)
                except qc.ArtifactError:
                    pass
                except BaseException as error:  # what else arrives is the finding
                    wrong.append(error)
            if not np.array_equal(qc.predict(path, TEXTS), labels):
                wrong.append("other labels")

    threads = [threading.Thread(target=work) for work in (write, read, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert os.path.exists(path)
