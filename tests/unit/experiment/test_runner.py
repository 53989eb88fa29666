"""A stage runs once, and again only when what decides its result has changed, or the result is damaged."""

import json
import threading

import pytest

import scorerec.experiment.runner as runner_module
from scorerec.core.artifacts import SCHEMA_VERSION
from scorerec.core.errors import ArtifactError, ConfigError
from scorerec.experiment.config import ExperimentConfig
from scorerec.experiment.run import Run
from scorerec.experiment.runner import Runner
from scorerec.experiment.settings import UndeclaredError
from scorerec.experiment.stage import Stage, ancestors

CONFIG = ExperimentConfig.model_validate({"name": "toy", "data": {"source": "synthetic"}})


def toy_stages(log):
    def note(run, draft):
        log.append(run.stage)
        draft.facts["seed"] = run.config.seed if run.stage != "one" else 0
        (draft.path / "result.txt").write_text(run.stage + "".join(sorted(run.artifacts)), encoding="utf-8")

    leaves = {"result.txt": "nobody"}
    return [
        Stage("one", (), ("data.label.threshold",), note, leaves=leaves, seeded=False),
        Stage("two", ("one",), ("evidence.n_candidates",), note, leaves=leaves),
        Stage("three", ("one", "two"), (), note, leaves=leaves),
        Stage("aside", ("one",), ("evidence.n_neighbours",), note, leaves=leaves),
    ]


def changed(**evidence):
    return CONFIG.model_copy(update={"evidence": CONFIG.evidence.model_copy(update=evidence)})


def run(tmp_path, log, config=CONFIG, to=None):
    del log[:]
    return Runner(toy_stages(log), config, tmp_path).run(to)


def test_what_is_done_is_not_run_again(tmp_path):
    log = []
    run(tmp_path, log)
    assert log == ["one", "two", "three", "aside"]
    run(tmp_path, log)
    assert log == []


def test_a_changed_setting_redoes_exactly_what_depends_on_it(tmp_path):
    log = []
    run(tmp_path, log)
    run(tmp_path, log, changed(n_candidates=7))
    assert log == ["two", "three"]
    run(tmp_path, log, changed(n_neighbours=3))
    assert log == ["aside"]
    run(tmp_path, log)
    assert log == []


def test_a_stage_gets_its_inputs_in_the_order_in_which_they_ran(tmp_path):
    seen = []
    last = Stage("last", ("aside", "three", "one"), (), lambda run, _: seen.extend(run.artifacts))
    Runner([*toy_stages([]), last], CONFIG, tmp_path).run()
    assert seen == ["one", "three", "aside"]


def test_the_seed_redoes_seeded_stages_alone(tmp_path):
    log = []
    run(tmp_path, log)
    run(tmp_path, log, CONFIG.model_copy(update={"seed": 1}))
    assert log == ["two", "three", "aside"]


def test_stopping_early_runs_only_what_the_stage_needs(tmp_path):
    log = []
    artifacts = run(tmp_path, log, to="two")
    assert log == ["one", "two"] == list(artifacts)
    assert (artifacts["two"].path / "result.txt").read_text(encoding="utf-8") == "twoone"


def test_an_unknown_stage_names_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match="one, two, three, aside"):
        run(tmp_path, [], to="four")


def test_a_failed_stage_leaves_earlier_ones_and_is_tried_again(tmp_path):
    log = []
    stages = toy_stages(log)

    def fail(run, draft):
        raise RuntimeError

    broken = [stage if stage.name != "two" else Stage("two", ("one",), stage.settings, fail) for stage in stages]
    with pytest.raises(RuntimeError):
        Runner(broken, CONFIG, tmp_path).run()
    assert log == ["one"]
    run(tmp_path, log)
    assert log == ["two", "three", "aside"]


def test_what_a_method_needs_is_what_its_stages_read_and_the_backbone_without_its_texts():
    reads = {
        "data": (),
        "corpus": ("data",),
        "texts": ("data",),
        "backbone": ("texts",),
        "prompts": ("corpus",),
        "tuned": ("backbone", "prompts"),
        "scores": ("prompts", "tuned"),
    }
    assert ancestors("scores", reads) == ["prompts", "backbone", "tuned", "scores"]
    assert ancestors("texts", reads) == ["texts"]


def test_status_says_what_is_done(tmp_path):
    log = []
    run(tmp_path, log, to="two")
    states = {part.stage: part.state for part in Runner(toy_stages(log), CONFIG, tmp_path).status()}
    assert states == {"one": "done", "two": "done", "three": "missing", "aside": "missing"}


def test_a_run_is_read_back_from_its_folder(tmp_path):
    run(tmp_path, [], to="two")
    found = Run.open(tmp_path / "toy")
    assert found.config == CONFIG
    assert found.artifact("two").facts == {"seed": 0}
    with pytest.raises(ArtifactError, match="has not run"):
        found.artifact("three")
    with pytest.raises(ArtifactError, match="no run here"):
        Run.open(tmp_path / "nothing")


def test_an_artifact_that_is_gone_is_said(tmp_path):
    artifacts = run(tmp_path, [], to="one")
    artifacts["one"].path.rename(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="gone"):
        Run.open(tmp_path / "toy")


def test_a_damaged_result_is_said_put_aside_and_made_anew_alone(tmp_path):
    log, told = [], []
    artifacts = run(tmp_path, log)
    (artifacts["two"].path / "result.txt").write_text("enoowt", encoding="utf-8")  # as long as before
    del log[:]
    again = Runner(toy_stages(log), CONFIG, tmp_path).run(tell=told.append)
    assert log == ["two"]
    assert [part.state for part in told if part.stage == "two"] == ["damaged", "running", "ran"]
    damaged = next(part for part in told if part.state == "damaged")
    assert "result.txt is not as it was written" in damaged.note
    assert (damaged.path / "result.txt").read_text(encoding="utf-8") == "enoowt"
    assert (again["two"].path / "result.txt").read_text(encoding="utf-8") == "twoone"


def test_a_half_written_folder_is_made_anew_and_status_says_so(tmp_path):
    log = []
    artifacts = run(tmp_path, log)
    (artifacts["one"].path / "manifest.json").unlink()
    found = Runner(toy_stages(log), CONFIG, tmp_path).status()[0]
    assert (found.state, found.path) == ("damaged", None)
    assert "no usable manifest.json" in found.note
    with pytest.raises(ArtifactError, match="makes it anew"):
        Run.open(tmp_path / "toy")
    run(tmp_path, log)
    assert log == ["one"]
    assert Run.open(tmp_path / "toy").artifact("one").facts == {"seed": 0}


def test_results_of_another_schema_version_are_left_where_they_are(tmp_path, monkeypatch):
    log = []
    before = run(tmp_path, log)
    with monkeypatch.context() as patch:
        patch.setattr(runner_module, "SCHEMA_VERSION", 99)
        patch.setattr("scorerec.core.artifacts.SCHEMA_VERSION", 99)
        with pytest.raises(ArtifactError, match=f"schema version {SCHEMA_VERSION}, this is 99"):
            Run.open(tmp_path / "toy")
        after = run(tmp_path, log)
    assert log == ["one", "two", "three", "aside"]
    assert not {part.path for part in after.values()} & {part.path for part in before.values()}
    run(tmp_path, log)
    assert log == []


def test_a_run_that_is_repeated_and_stopped_keeps_what_it_had(tmp_path):
    log = []
    before = Run.open(run(tmp_path, log)["one"].path.parents[2] / "toy")
    run(tmp_path, log, to="one")
    assert Run.open(tmp_path / "toy").artifacts == before.artifacts


def test_a_run_of_another_version_is_said(tmp_path):
    run(tmp_path, [])
    (record,) = tmp_path.glob("*/run.json")
    kept = json.loads(record.read_text(encoding="utf-8"))
    kept["config"]["baselines"]["gone"] = {"number": 1}
    record.write_text(json.dumps(kept), encoding="utf-8")
    with pytest.raises(
        ArtifactError, match=r"run\.json: its settings are not those of this version \(baselines\.gone: "
    ):
        Run.open(record.parent)


def test_a_damaged_record_is_said(tmp_path):
    run(tmp_path, [])
    (tmp_path / "toy" / "run.json").write_text(json.dumps({"config": {}}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"run.json: cannot be read .* run the experiment again"):
        Run.open(tmp_path / "toy")


def test_two_runs_in_one_folder_make_each_result_once(tmp_path):
    log, told, is_running, may_end = [], [], threading.Event(), threading.Event()

    def slow(run, draft):
        is_running.set()
        assert may_end.wait(10)

    stages = [Stage("one", (), (), slow)]
    first = threading.Thread(target=Runner(stages, CONFIG, tmp_path).run)
    first.start()
    assert is_running.wait(10)

    def tell(progress):
        told.append(progress)
        may_end.set()

    fast = [Stage("one", (), (), lambda run, draft: log.append("second"))]
    Runner(fast, CONFIG, tmp_path).run(tell=tell)
    first.join(10)
    assert log == []
    assert [part.state for part in told] == ["waiting", "done"]
    assert told[0].note.startswith("for process ")


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda run, draft: run.config.evidence.n_neighbours, "setting evidence.n_neighbours"),
        (lambda run, draft: run.config.car, "setting car"),
        (lambda run, draft: run.config.seed, "setting seed"),
        (lambda run, draft: run.artifact("two"), "stage aside reads two"),
        (lambda run, draft: (draft.path / "notes.txt").write_text("of users"), "leaves notes.txt"),
    ],
)
def test_a_stage_that_uses_what_it_does_not_declare_is_a_fault(tmp_path, work, message):
    stages = toy_stages([])
    aside = Stage("aside", ("one",), ("evidence.n_candidates",), work, seeded=False)
    with pytest.raises(UndeclaredError, match=f"{message}.*, which it does not declare"):
        Runner([*stages[:2], aside], CONFIG, tmp_path).run()


def test_device_and_threads_may_be_read_by_all_and_decide_nothing(tmp_path):
    told = []
    stages = [Stage("one", (), (), lambda run, draft: told.append((run.config.device, run.config.threads)))]
    before = Runner(stages, CONFIG, tmp_path).run()
    after = Runner(stages, CONFIG.model_copy(update={"device": "cpu", "threads": 2}), tmp_path).run()
    assert told == [("auto", 1)]
    assert after["one"].path == before["one"].path
