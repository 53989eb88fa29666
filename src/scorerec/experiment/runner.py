"""Run stages in order, each only where its result is not there yet, and keep a record of the run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from scorerec.core.artifacts import CHECKPOINT, SCHEMA_VERSION, Artifact, ArtifactStore, Draft, fingerprint
from scorerec.core.errors import ArtifactError, ConfigError
from scorerec.core.storage import replace_file
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.run import RECORD, Run
from scorerec.experiment.settings import EVERYTHING, UndeclaredError, View, identity_of
from scorerec.experiment.stage import Stage


@dataclass(frozen=True)
class Progress:
    """What happened to one stage.

    Attributes:
        stage: its name.
        state: ``done`` before, ``running``, ``ran`` now, ``missing``, ``damaged``, ``estimate`` of what it will take,
            ``total`` of these or, where another process makes it, ``waiting``.
        seconds: that it took, or will.
        path: of its artifact; of a damaged one, where it was put aside.
        note: what is damaged, what it will take, or who is waited for.
    """

    stage: str
    state: str
    seconds: float | None
    path: Path | None
    note: str = ""


class Runner:
    """Runs the stages of one experiment below ``root``.

    Args:
        stages: in an order in which every stage comes after those it reads.
        config: the experiment.
        root: artifacts go to ``root/artifacts``.
        folder: of the run's own record and report, in ``root``; default: ``root/<config.folder_name>``.
    """

    def __init__(self, stages: Sequence[Stage], config: ExperimentConfig, root: Path, folder: Path | None = None):
        self.stages = {stage.name: stage for stage in stages}
        self.config = config
        self.store = ArtifactStore(root / "artifacts")
        self.folder = folder or root / config.folder_name

    @cached_property
    def identities(self) -> dict[str, dict[str, Any]]:
        """Everything that decides what each stage will write; its hash names the artifact."""
        found: dict[str, dict[str, Any]] = {}
        for stage in self.stages.values():
            found[stage.name] = {
                "schema_version": SCHEMA_VERSION,  # artifacts of another version lie beside those of this one
                "code_version": stage.version,
                "config": identity_of(self.config, stage.settings),
                "seed": self.config.seed if stage.seeded else None,
                "inputs": {name: fingerprint(found[name]) for name in stage.reads},
            }
        return found

    def find(self, stage: str, thorough: bool = False) -> Artifact | None:
        """Return the finished artifact of a stage, or None.

        Raises:
            ArtifactError: it is damaged; ``thorough`` notices all damage, and reads all files for that.
        """
        return self.store.find(stage, fingerprint(self.identities[stage]), thorough)

    def status(self) -> list[Progress]:
        """Say for each stage whether its result is there."""
        return [self._status(stage) for stage in self.stages]

    def run(
        self, to: str | None = None, tell: Callable[[Progress], None] = lambda _: None, record: bool = True
    ) -> dict[str, Artifact]:
        """Run every stage that ``to`` needs (default: all), reusing what is there.

        A damaged result is put aside and made anew. Where another process makes one, it is waited for.

        Args:
            to: a stage's name.
            tell: hears what happens to each stage.
            record: whether the run's own folder shall say so; not where stages run for a look ahead.

        Raises:
            ConfigError: ``to`` names no stage.
            ArtifactError: the disk is full or fails, or the folder cannot be written.
        """
        artifacts: dict[str, Artifact] = {}
        for stage in self._needed(to):
            artifact, state = self._sound(stage.name), "done"
            if artifact is None:
                artifact, state = self._make(stage, artifacts, tell)
            artifacts[stage.name] = artifact
            tell(Progress(stage.name, state, artifact.manifest["seconds"], artifact.path))
            if record:
                self._record(artifacts)
        return artifacts

    def made(self, *stages: str, tell: Callable[[Progress], None] = lambda _: None) -> Run:
        """Run what some stages need, as ``run`` does without a record, and return all of it as a run.

        Raises:
            ConfigError: there is no such stage.
            ArtifactError: the disk is full or fails, or the folder cannot be written.
        """
        artifacts: dict[str, Artifact] = {}
        for stage in stages:
            artifacts |= self.run(stage, tell, record=False)
        return Run(self.config, artifacts, self.store.root.parent, self.folder)

    def missing(self, to: str | None = None) -> list[str]:
        """Return the stages that ``run(to)`` would run.

        Raises:
            ConfigError: ``to`` names no stage.
        """
        return [stage.name for stage in self._needed(to) if self._status(stage.name).state != "done"]

    def _status(self, stage: str) -> Progress:
        try:
            artifact = self.find(stage)
        except ArtifactError as fault:
            return Progress(stage, "damaged", None, None, str(fault))
        if artifact is None:
            return Progress(stage, "missing", None, None)
        return Progress(stage, "done", artifact.manifest["seconds"], artifact.path)

    def _sound(self, stage: str) -> Artifact | None:
        """Return the artifact of a stage if it is there, and in order."""
        try:
            return self.find(stage, thorough=True)
        except ArtifactError:
            return None

    def _make(
        self, stage: Stage, made: Mapping[str, Artifact], tell: Callable[[Progress], None]
    ) -> tuple[Artifact, str]:
        """Return the artifact of a stage that lacks a sound one, and how it came: ran, or done by another process."""
        identity = self.identities[stage.name]
        name = fingerprint(identity)
        with self.store.alone(
            stage.name, name, lambda owner: tell(Progress(stage.name, "waiting", None, None, f"for {owner}"))
        ):
            try:
                artifact = self.find(stage.name, thorough=True)
            except ArtifactError as fault:
                artifact, aside = None, self.store.set_aside(stage.name, name)
                tell(Progress(stage.name, "damaged", None, aside, f"{fault}. The damaged one is kept as {aside.name}"))
            if artifact is not None:
                return artifact, "done"
            tell(Progress(stage.name, "running", None, None))
            given = given_to(stage, self.config, made, self.store.root.parent)
            given.compute()
            with self.store.write(stage.name, identity) as draft:
                stage.run(given, draft)
                check_left(stage, draft)
            artifact = self.find(stage.name)
        assert artifact is not None
        return artifact, "ran"

    def _needed(self, to: str | None) -> list[Stage]:
        if to is None:
            return list(self.stages.values())
        if to not in self.stages:
            raise ConfigError(f"no stage {to!r}; the stages are {', '.join(self.stages)}")
        wanted = {to}
        for stage in reversed(list(self.stages.values())):
            if stage.name in wanted:
                wanted.update(stage.reads)
        return [stage for stage in self.stages.values() if stage.name in wanted]

    def _record(self, artifacts: Mapping[str, Artifact]) -> None:
        """Write down which artifacts are the run's: also those of stages that it has not come to again."""
        there = {part.stage: part.path for part in self.status() if part.path is not None}
        there |= {name: artifact.path for name, artifact in artifacts.items()}
        record = {
            "config": self.config.model_dump(mode="json"),
            "artifacts": {name: str(path.relative_to(self.store.root)) for name, path in there.items()},
        }
        replace_file(self.folder / RECORD, json.dumps(record, indent=2) + "\n")


def given_to(stage: Stage, config: ExperimentConfig, made: Mapping[str, Artifact], root: Path) -> Run:
    """Return what a stage may use: the settings that it declares, and the artifacts, in the order of their making.

    Args:
        stage: the stage.
        config: the experiment.
        made: stage -> artifact, at least of those that it reads.
        root: the folder of all runs.
    """
    view: Any = config if EVERYTHING in stage.settings else View(config, stage.readable, f"stage {stage.name}", set())
    inputs = {name: artifact for name, artifact in made.items() if name in stage.reads}
    return Run(cast(ExperimentConfig, view), inputs, root, stage=stage.name)


def check_left(stage: Stage, draft: Draft) -> None:
    """Check that a stage left the tables and files that it declares, and no others.

    Raises:
        UndeclaredError: it left another one: nobody would know whose behaviours are in it.
    """
    left = {path.name for path in draft.path.iterdir()} - {CHECKPOINT}
    if others := left - set(stage.writes) - set(stage.leaves):
        raise UndeclaredError(f"stage {stage.name} leaves {', '.join(sorted(others))}, which it does not declare")
