"""One session of the live service: its run, and the questions that came."""

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

import cerberus_annotate
from cerberus_annotate.annotate.commit import work_folder
from cerberus_annotate.annotate.one_image import Predict
from cerberus_annotate.annotate.options import Options
from cerberus_annotate.annotate.run import ModelFacts
from cerberus_annotate.feedback.runs import ImageRecord, Run, new_run_id, now, write_run
from cerberus_annotate.qupath import open_project
from cerberus_annotate.serve.live import Answer, Question, answer

LIVE = "live"
"""What a run of the service says of its regions."""


class Session:
    """Answers questions and notes them as one run of the project; the run is written with its first answer."""

    def __init__(self, project: Path, engine: str, model: ModelFacts, options: Options, predict: Predict) -> None:
        """Raises UsageError for tasks that the model has not."""
        self._project, self._engine = project, engine
        self._options, self._predict = options, predict
        self._tasks = options.chosen_tasks(tuple(model.tasks))
        self._run = Run(
            id=new_run_id(),
            model=model.name,
            sha256=model.sha256,
            version=cerberus_annotate.__version__,
            # the mark keeps a run of `annotate` from taking this one for itself, cut off
            parameters={**options.parameters(self._tasks), LIVE: True},
            regions=LIVE,
            started=now(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._run.images:
            self._write(replace(self._run, state="finished", finished=now()))

    def warm_up(self) -> None:
        """Lets the network see one empty picture: the first time it is slow."""
        from cerberus_annotate.predict.image import ArraySlide

        blank = ArraySlide(np.full((600, 600, 3), 243, np.uint8), (0.5, 0.5))
        self._predict(blank, (0.5, 0.5), tasks=self._tasks, areas=None, progress=lambda *_: None)

    def ask(self, question: Question) -> Answer:
        """See `live.answer`.  The project is opened anew, so that images that were added meanwhile are known."""
        project = open_project(self._project, self._engine)
        found = answer(project, question, self._options, self._tasks, self._predict, self._run.id)
        before = self._run.images.get(question.image, ImageRecord(found.image, "done"))
        counted = dict(before.objects)
        for obj in found.add:
            counted[str(obj.path_class)] = counted.get(str(obj.path_class), 0) + 1
        record = replace(
            before,
            objects=dict(sorted(counted.items())),
            added=before.added + len(found.add),
            removed=before.removed + len(found.remove),
            seconds=round(before.seconds + found.seconds, 2),
        )
        self._write(self._run.with_image(question.image, record))
        return found

    def _write(self, run: Run) -> None:
        self._run = run
        write_run(work_folder(open_project(self._project, self._engine)), run)
